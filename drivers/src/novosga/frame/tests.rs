use proptest::prelude::*;
use serde_json::json;

use super::*;

/// In the shape of `AbstractAtendimento::jsonSerialize`.
fn written(id: u64, number: &str, service: u64, status: &str, times: [Option<&str>; 4]) -> Value {
    let time = |at: usize| times[at].map(|time| format!("2026-11-22T{time}"));
    json!({
        "id": id,
        "senha": {"sigla": &number[..1], "numero": number[1..].parse::<u64>().unwrap(), "format": number},
        "servico": {"id": service, "nome": "Caixa"},
        "observacao": null,
        "dataChegada": time(0), "dataChamada": time(1), "dataInicio": time(2), "dataFim": time(3),
        "dataAgendamento": null, "tempoEspera": "00:00:10",
        "prioridade": {"id": 1, "nome": "Normal", "descricao": "", "peso": 0, "cor": null, "ativo": true},
        "status": status, "resolucao": null, "cliente": {"nome": "not read"}, "triagem": "hall",
        "usuario": times[1].map(|_| "ana"), "hash": "0",
    })
}

/// In the shape of an array result of `PainelSenha`.
fn call(id: u64, number: &str, service: u64, place: u64) -> Value {
    json!({"id": id, "numeroSenha": number[1..].parse::<u64>().unwrap(), "siglaSenha": &number[..1],
        "mensagem": "", "local": "Guiche", "numeroLocal": place, "peso": 0, "prioridade": "Normal",
        "nomeCliente": null, "documentoCliente": null, "servico": {"id": service, "nome": "Caixa"}})
}

fn said(news: &[Happening<'_>]) -> Vec<String> {
    let text = |news: &Happening<'_>| format!("{} {:?} {}", news.ticket.number, news.step, news.at.time());
    news.iter().map(text).collect()
}

fn told(tickets: &[Value], panel: &[Value], memory: &mut Memory) -> Vec<String> {
    let (tickets, bad) = super::tickets(json!(tickets).to_string().as_bytes()).unwrap();
    let (panel, bad_lines) = super::panel(json!(panel).to_string().as_bytes()).unwrap();
    assert_eq!(bad + bad_lines, 0);
    let (news, remembered) = news(&tickets, &panel, memory, usize::MAX);
    *memory = remembered;
    said(&news)
}

const CAME: Option<&str> = Some("09:00:00");
const CALLED: Option<&str> = Some("09:05:00");
const STARTED: Option<&str> = Some("09:06:00");
const ENDED: Option<&str> = Some("09:09:00");

#[test]
fn a_ticket_is_told_step_by_step_or_all_at_once() {
    let stages = [
        ("emitida", [CAME, None, None, None]),
        ("chamado", [CAME, CALLED, None, None]),
        ("iniciado", [CAME, CALLED, STARTED, None]),
        ("encerrado", [CAME, CALLED, STARTED, ENDED]),
    ];
    let expected = [
        "A001 Issued 09:00:00",
        "A001 Called(3) 09:05:00",
        "A001 Started(3) 09:06:00",
        "A001 Finished 09:09:00",
    ];
    let mut memory = Memory::default();
    for ((status, times), expected) in stages.iter().zip(expected) {
        let ticket = [written(1, "A001", 1, status, *times)];
        // What the panel kept of another day says nothing.
        let panel = match times[1] {
            Some(_) => vec![call(7, "A001", 1, 3), call(2, "A001", 1, 9)],
            None => vec![call(2, "A001", 1, 9)],
        };
        assert_eq!(told(&ticket, &panel, &mut memory), [expected]);
        assert!(told(&ticket, &panel, &mut memory).is_empty());
    }
    let ticket = [written(1, "A001", 1, "encerrado", stages[3].1)];
    let panel = [call(7, "A001", 1, 3)];
    assert_eq!(told(&ticket, &panel, &mut Memory::default()), expected);
    // The panel has gone on: where the call was is no longer known.
    let late = told(&ticket, &[], &mut Memory::default());
    assert_eq!(late, ["A001 Issued 09:00:00", "A001 Finished 09:09:00"]);
}

#[test]
fn a_call_waits_for_its_line_of_the_panel() {
    let mut memory = Memory::default();
    let ticket = [written(1, "A001", 1, "chamado", [CAME, CALLED, None, None])];
    assert_eq!(told(&ticket, &[], &mut memory), ["A001 Issued 09:00:00"]);
    let others = [call(7, "A002", 1, 3), call(8, "A001", 2, 4), call(9, "B001", 1, 4)];
    assert!(told(&ticket, &others, &mut memory).is_empty());
    let line = [call(10, "A001", 1, 3)];
    assert_eq!(told(&ticket, &line, &mut memory), ["A001 Called(3) 09:05:00"]);
    let again = [call(11, "A001", 1, 3), call(10, "A001", 1, 3)];
    let recalled = told(&ticket, &again, &mut memory);
    assert_eq!(recalled, ["A001 Recalled { line: 11, place: 3 } 09:05:00"]);
    assert!(told(&ticket, &again, &mut memory).is_empty());
    let begun = [written(1, "A001", 1, "iniciado", [CAME, CALLED, STARTED, None])];
    let place_is_remembered = told(&begun, &[], &mut memory);
    assert_eq!(place_is_remembered, ["A001 Started(3) 09:06:00"]);
}

/// The panel is read behind the tickets: in between somebody calls.
#[test]
fn a_call_between_the_two_readings_is_told_by_the_next() {
    let waits = [written(1, "A001", 1, "emitida", [CAME, None, None, None])];
    let line = [call(7, "A001", 1, 3)];
    let mut memory = Memory::default();
    assert_eq!(told(&waits, &line, &mut memory), ["A001 Issued 09:00:00"]);
    let begun = [written(1, "A001", 1, "iniciado", [CAME, CALLED, STARTED, None])];
    let both = ["A001 Called(3) 09:05:00", "A001 Started(3) 09:06:00"];
    assert_eq!(told(&begun, &line, &mut memory), both);
    // The other way round: the line of a customer who is served already comes late.
    let mut memory = Memory::default();
    told(&waits, &[], &mut memory);
    assert!(told(&begun, &[], &mut memory).is_empty());
    assert_eq!(told(&begun, &line, &mut memory), both);
}

#[test]
fn a_ticket_that_comes_back_is_called_where_its_new_line_says() {
    let mut memory = Memory::default();
    let gone = [written(1, "A001", 1, "nao_compareceu", [CAME, CALLED, None, ENDED])];
    let old = call(7, "A001", 1, 3);
    assert_eq!(
        told(&gone, std::slice::from_ref(&old), &mut memory),
        ["A001 Issued 09:00:00", "A001 Called(3) 09:05:00", "A001 NoShow 09:09:00"]
    );
    let back = [written(1, "A001", 1, "emitida", [CAME, CALLED, None, None])];
    assert!(told(&back, std::slice::from_ref(&old), &mut memory).is_empty());
    let called = [written(1, "A001", 1, "chamado", [CAME, Some("09:20:00"), None, None])];
    assert!(told(&called, std::slice::from_ref(&old), &mut memory).is_empty());
    let panel = [call(8, "A001", 1, 5), old];
    assert_eq!(told(&called, &panel, &mut memory), ["A001 Called(5) 09:20:00"]);
}

#[test]
fn a_customer_sent_on_keeps_the_number() {
    for status in ["erro_triagem", "encerrado"] {
        let mut memory = Memory::default();
        let old = written(1, "A001", 1, status, [CAME, CALLED, STARTED, ENDED]);
        let new = written(2, "A001", 2, "emitida", [Some("09:09:01"), None, None, None]);
        let panel = [call(7, "A001", 1, 3)];
        let said = told(&[old, new], &panel, &mut memory);
        let expected = [
            "A001 Issued 09:00:00",
            "A001 Called(3) 09:05:00",
            "A001 Started(3) 09:06:00",
            "A001 SentOn 09:09:01",
        ];
        assert_eq!(said, expected, "{status}");
    }
    // The same number much later is another customer's.
    let old = written(1, "A001", 1, "encerrado", [CAME, None, None, ENDED]);
    let new = written(2, "A001", 2, "emitida", [Some("10:00:00"), None, None, None]);
    let said = told(&[old, new], &[], &mut Memory::default());
    assert_eq!(said.last().unwrap(), "A001 Issued 10:00:00");
    let mut memory = Memory::default();
    told(&[written(1, "A001", 1, "emitida", [CAME, None, None, None])], &[], &mut memory);
    let moved = [written(1, "A001", 2, "emitida", [CAME, None, None, None])];
    assert_eq!(told(&moved, &[], &mut memory), ["A001 Moved 09:00:00"]);
}

#[test]
fn what_is_too_much_at_once_is_told_bit_by_bit_and_once() {
    let number = |at: u64| format!("A{at:03}");
    let waiting = |service| (1..=9).map(move |at| written(at, &number(at), service, "emitida", [CAME, None, None, None]));
    let mut memory = Memory::default();
    let mut told_in_rounds = |list: Vec<Value>| {
        let (tickets, _) = tickets(json!(list).to_string().as_bytes()).unwrap();
        let mut rounds = Vec::new();
        loop {
            let (news, remembered) = news(&tickets, &[], &memory, 4);
            memory = remembered;
            rounds.push(news.iter().map(|news| (news.ticket.id, news.step)).collect::<Vec<_>>());
            if news.len() < 4 {
                return rounds;
            }
        }
    };
    let issued = told_in_rounds(waiting(1).collect());
    assert_eq!(issued.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 1]);
    let moved = told_in_rounds(waiting(2).collect()).concat();
    let each_once: Vec<_> = (1..=9).map(|id| (id, Step::Moved)).collect();
    assert_eq!(moved, each_once);
}

#[test]
fn what_makes_no_sense_is_left_out_and_counted() {
    let good = written(1, "A001", 1, "emitida", [CAME, None, None, None]);
    let check = |pointer: &str, value: Value, readable: bool| {
        let mut ticket = good.clone();
        *ticket.pointer_mut(pointer).unwrap() = value;
        let (read, bad) = tickets(json!([ticket]).to_string().as_bytes()).unwrap();
        assert_eq!((read.len() == 1, bad == 0), (readable, readable), "{pointer} {ticket}");
    };
    check("/prioridade", Value::Null, true);
    check("/servico/nome", Value::Null, true);
    check("/usuario", json!("ana maria"), true);
    check("/id", json!("1"), false);
    check("/senha/format", json!("A 1"), false);
    check("/status", json!("dormindo"), false);
    check("/dataChegada", Value::Null, false);
    check("/dataFim", json!("noon"), false);
    assert!(tickets(b"{\"error\":\"x\"}").is_err());
    let (_, bad) = panel(json!([{"id": 1}]).to_string().as_bytes()).unwrap();
    assert_eq!(bad, 1);
}

fn any_written() -> impl Strategy<Value = Value> {
    let status = prop_oneof![
        Just("emitida"), Just("chamado"), Just("iniciado"), Just("encerrado"),
        Just("nao_compareceu"), Just("cancelada"), Just("erro_triagem"),
    ];
    let time = || proptest::option::of(0..600_u32).prop_map(|s| s.map(|s| format!("09:{:02}:{:02}", s / 60, s % 60)));
    (0..20_u64, 0..5_u64, 1..4_u64, status, time(), time(), time()).prop_map(
        |(id, number, service, status, called, started, ended)| {
            let number = format!("A{number:03}");
            let times = [Some("09:00:00"), called.as_deref(), started.as_deref(), ended.as_deref()];
            written(id, &number, service, status, times)
        },
    )
}

proptest! {
    #[test]
    fn every_happening_is_told_once_in_the_end(
        list in proptest::collection::vec(any_written(), 0..12),
        calls in proptest::collection::vec((0..5_u64, 1..4_u64, 1..9_u64), 0..10),
    ) {
        fuzz(json!(list).to_string().as_bytes());
        let calls: Vec<Value> = calls.iter().enumerate()
            .map(|(at, (number, service, place))| call(at as u64, &format!("A{number:03}"), *service, *place))
            .collect();
        let (mut tickets, bad) = tickets(json!(list).to_string().as_bytes()).unwrap();
        prop_assert_eq!(bad, 0);
        tickets.sort_by_key(|ticket| ticket.id);
        tickets.dedup_by_key(|ticket| ticket.id);
        let (lines, _) = panel(json!(calls).to_string().as_bytes()).unwrap();
        let (_, memory) = news(&tickets, &lines, &Memory::default(), usize::MAX);
        prop_assert!(news(&tickets, &lines, &memory, usize::MAX).0.is_empty());
        // The panel forgets; what was told stays told.
        prop_assert!(news(&tickets, &[], &memory, usize::MAX).0.is_empty());
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), ticket in any_written(),
        at in any::<prop::sample::Index>()) {
        fuzz(&bytes);
        let mut body = json!([ticket]).to_string().into_bytes();
        let at = at.index(body.len());
        body[at] = bytes.first().copied().unwrap_or(b'x');
        fuzz(&body);
    }
}
