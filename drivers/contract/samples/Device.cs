// A device that speaks the Zhiban device contract, version 1. Needs the package MQTTnet 4.
// Text for makers of devices; it is not compiled or run by Zhiban's tests.
//
//   dotnet run -- 192.168.1.10 KS-0471 ABCDE-FGHJK

using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using MQTTnet;
using MQTTnet.Client;
using MQTTnet.Exceptions;
using MQTTnet.Protocol;

var (host, serial, key) = (args[0], args[1], args.ElementAtOrDefault(2));
const string stateFile = "device.json";
var state = File.Exists(stateFile)
    ? JsonNode.Parse(File.ReadAllText(stateFile))!.AsObject()
    : new JsonObject { ["token"] = Convert.ToHexString(RandomNumberGenerator.GetBytes(16)), ["boot"] = 0 };
void Save() => File.WriteAllText(stateFile, state.ToJsonString());
Save();

var factory = new MqttFactory();

// 1. Join, once: show the code, keep the credential.
if (state["password"] is null)
{
    var decided = new TaskCompletionSource<JsonObject>();
    using var guest = factory.CreateMqttClient();
    guest.ApplicationMessageReceivedAsync += message =>
    {
        var answer = JsonNode.Parse(message.ApplicationMessage.PayloadSegment)!.AsObject();
        if ((string?)answer["status"] == "pending") Console.WriteLine($"code {answer["code"]}");
        else decided.TrySetResult(answer);
        return Task.CompletedTask;
    };
    await guest.ConnectAsync(Options("provision", key ?? (string)state["token"]!));
    await guest.SubscribeAsync("provision/response");
    var ask = new { serial, token = (string)state["token"]!, kind = "kiosk", vendor = "Sample", model = "S-1" };
    await guest.PublishStringAsync("provision/request", JsonSerializer.Serialize(ask), MqttQualityOfServiceLevel.AtLeastOnce);
    var answer = await decided.Task;
    if ((string?)answer["status"] != "approved") throw new Exception($"refused: {answer["reason"]}");
    state["device"] = (string)answer["device"]!;
    state["password"] = (string)answer["password"]!;
    Save();
}

// 2. Report: each start is a new boot, each report has the next number in it.
state["boot"] = (int)state["boot"]! + 1;
Save();
var device = (string)state["device"]!;
var own = $"te/device/{device}/";
var health = own + "service/agent/status/health";
long seq = 0;

string Stamped(JsonObject fields)
{
    fields["time"] = DateTimeOffset.UtcNow.ToString("O");
    fields["boot"] = $"boot-{state["boot"]}";
    fields["seq"] = Interlocked.Increment(ref seq);
    return fields.ToJsonString();
}

using var client = factory.CreateMqttClient();

// 3. Obey: say what can be done; begin, do it, say how it went, on the same topic.
var commands = new[] { "display", "restart" };
client.ApplicationMessageReceivedAsync += async message =>
{
    var payload = message.ApplicationMessage.PayloadSegment;
    if (payload.Count == 0) return;
    var command = JsonNode.Parse(payload)!.AsObject();
    if ((string?)command["status"] != "init") return;
    var topic = message.ApplicationMessage.Topic;
    var kind = topic.Split('/')[^2];
    var end = commands.Contains(kind) ? "successful" : "failed";
    foreach (var status in new[] { "executing", end })
    {
        command["status"] = status;
        if (status == "failed") command["reason"] = $"cannot {kind}";
        await client.PublishStringAsync(topic, command.ToJsonString(), MqttQualityOfServiceLevel.AtLeastOnce, retain: true);
    }
};

client.ConnectedAsync += async _ =>
{
    await client.SubscribeAsync(own + "//cmd/#", MqttQualityOfServiceLevel.AtLeastOnce);
    foreach (var command in commands)
        await client.PublishStringAsync($"{own}//cmd/{command}", "{}", MqttQualityOfServiceLevel.AtLeastOnce, retain: true);
    await Publish(own + "/", new JsonObject { ["vendor"] = "Sample", ["model"] = "S-1", ["serial"] = serial });
    await Publish(health, new JsonObject { ["status"] = "up" });
};

_ = StayConnected(Options(device, (string)state["password"]!, health));
await Report(own + "//e/kiosk.health", new JsonObject { ["in_service"] = true, ["paper"] = "ok" });
Console.ReadLine();

// 4. Come back, whatever ended the connection: the hall restarts, networks fail.
async Task StayConnected(MqttClientOptions options)
{
    while (true)
    {
        try
        {
            if (!client.IsConnected) await client.ConnectAsync(options);
        }
        catch (Exception error)
        {
            Console.WriteLine($"not connected: {error.Message}");
        }
        await Task.Delay(TimeSpan.FromSeconds(3));
    }
}

Task Publish(string topic, JsonObject fields) => Send(topic, Stamped(fields));

Task Send(string topic, string payload) =>
    client.PublishStringAsync(topic, payload, MqttQualityOfServiceLevel.AtLeastOnce);

// Returns when the hall has it on disk. What was not acknowledged goes again under its own number.
async Task Report(string topic, JsonObject fields)
{
    var payload = Stamped(fields);
    while (true)
    {
        try
        {
            await Send(topic, payload);
            return;
        }
        catch (MqttCommunicationException)
        {
            await Task.Delay(TimeSpan.FromSeconds(3));
        }
    }
}

MqttClientOptions Options(string name, string password, string? willTopic = null)
{
    var options = new MqttClientOptionsBuilder()
        .WithTcpServer(host, 1883)
        .WithClientId(name)
        .WithCredentials(name, password);
    if (willTopic is not null)
        options = options.WithWillTopic(willTopic).WithWillPayload("{\"status\":\"down\"}")
            .WithWillQualityOfServiceLevel(MqttQualityOfServiceLevel.AtLeastOnce);
    return options.Build();
}
