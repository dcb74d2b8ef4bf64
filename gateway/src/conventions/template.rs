//! Value templates of Home Assistant, in bounds: a device's text is a program we run.
//!
//! Nothing of the engine's own set is in reach; the filters below are all there is. What a
//! template may cost is bounded three ways: by fuel (steps), by the length of its output, and by
//! refusing sources that could blow up a text by putting it together again and again.

use std::cell::OnceCell;
use std::io::{self, Write};
use std::sync::LazyLock;

use minijinja::value::ValueKind;
use minijinja::{
    Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, context, filters, tests,
};

/// Longest source and longest output, in bytes.
const SOURCE_BYTES_MAX: usize = 4_096;
const OUTPUT_BYTES_MAX: usize = 65_536;
/// Steps one rendering may take.
const FUEL: u64 = 2_000;
/// How many times larger than the payload a text may become.
const GROWTH_MAX: f64 = 256.0;
/// Multiplications one template may have.
const STARS_MAX: usize = 2;

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(engine);

/// A payload many templates may look at; its JSON is read once.
pub(super) struct Input<'p> {
    text: &'p str,
    json: OnceCell<Value>,
}

impl<'p> Input<'p> {
    pub(super) fn new(text: &'p str) -> Self {
        let json = OnceCell::new();
        Self { text, json }
    }

    pub(super) fn text(&self) -> &'p str {
        self.text
    }

    fn json(&self) -> Value {
        let read = || {
            let json = serde_json::from_str::<serde_json::Value>(self.text);
            json.map_or(Value::UNDEFINED, Value::from_serialize)
        };
        self.json.get_or_init(read).clone()
    }
}

/// A template that was looked at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(String);

impl Template {
    /// # Errors
    /// Why this engine cannot run it.
    pub(super) fn new(source: &str) -> Result<Self, String> {
        if source.len() > SOURCE_BYTES_MAX {
            return Err(format!("template of more than {SOURCE_BYTES_MAX} bytes"));
        }
        check_growth(source)?;
        let template = Self(source.to_owned());
        // Filters are looked up when they are used, so it is tried with nothing.
        match template.render(&Input::new("")) {
            Err(error) if is_for_good(error.kind()) => Err(text(&error)),
            _ => Ok(template),
        }
    }

    /// What the template makes of a payload, trimmed. Empty where it found nothing.
    ///
    /// # Errors
    /// Why it made nothing.
    pub(super) fn apply(&self, input: &Input<'_>) -> Result<String, String> {
        self.render(input).map_err(|error| text(&error))
    }

    fn render(&self, input: &Input<'_>) -> Result<String, Error> {
        let template = ENGINE.template_from_str(&self.0)?;
        let mut out = Bounded(Vec::new());
        let context = context! { value => input.text, value_json => input.json() };
        template.render_captured_to(context, &mut out)?;
        Ok(String::from_utf8_lossy(&out.0).trim().to_owned())
    }
}

fn text(error: &Error) -> String {
    let mut text = error.to_string();
    text.truncate(text.floor_char_boundary(200));
    text
}

/// Errors that no payload can help.
fn is_for_good(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::SyntaxError
            | ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod
    )
}

/// Each assignment can put a text together from as many parts as there are operators, and the next
/// takes its result: so many times larger can a text become.
fn check_growth(source: &str) -> Result<(), String> {
    let code = without_texts(source);
    let words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let (mut assignments, mut blocks) = (0_u32, false);
    for word in words {
        assignments += u32::from(matches!(word, "set" | "for" | "with"));
        blocks |= matches!(word, "endset" | "filter" | "macro" | "call" | "autoescape");
    }
    if blocks {
        return Err("template with a block that captures its output".into());
    }
    let operators = code.matches(['~', '+', ',', ':']).count();
    // The engine repeats a text up to 100 MB, so that is allowed seldom and never built upon.
    let stars = code.replace("**", "").matches('*').count();
    if stars > STARS_MAX || (stars > 0 && assignments > 0) {
        return Err("template that multiplies too often".into());
    }
    let Ok(operators) = u32::try_from(operators) else {
        return Err("template of too many parts".into());
    };
    let steps = f64::from(assignments.max(1));
    let growth = (f64::from(operators) / steps + 1.0).powf(steps);
    if assignments > 0 && growth > GROWTH_MAX {
        return Err("template that puts together too much".into());
    }
    Ok(())
}

/// The source without what stands in quotes.
fn without_texts(source: &str) -> String {
    let mut quote = None;
    let mut skip = false;
    source
        .chars()
        .filter(|&c| {
            let inside = quote.is_some();
            match quote {
                Some(_) if skip => skip = false,
                Some(_) if c == '\\' => skip = true,
                Some(open) if c == open => quote = None,
                None if c == '\'' || c == '"' => quote = Some(c),
                _ => {}
            }
            !inside
        })
        .collect()
}

/// Takes so much and no more.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES_MAX {
            return Err(io::Error::other("output is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn engine() -> Environment<'static> {
    let mut engine = Environment::empty();
    engine.set_fuel(Some(FUEL));
    engine.set_undefined_behavior(UndefinedBehavior::Chainable);
    engine.set_formatter(format_as_python);
    engine.add_filter("float", to_float);
    engine.add_filter("int", to_int);
    engine.add_filter("round", round);
    engine.add_filter("abs", filters::abs);
    engine.add_filter("bool", to_bool);
    engine.add_filter("string", |value: &Value| value.to_string());
    engine.add_filter("lower", filters::lower);
    engine.add_filter("upper", filters::upper);
    engine.add_filter("trim", filters::trim);
    engine.add_filter("replace", replace);
    engine.add_filter("length", filters::length);
    engine.add_filter("count", filters::length);
    engine.add_filter("first", filters::first);
    engine.add_filter("last", filters::last);
    engine.add_filter("min", filters::min);
    engine.add_filter("max", filters::max);
    engine.add_filter("default", filters::default);
    engine.add_filter("d", filters::default);
    engine.add_filter("iif", iif);
    engine.add_filter("is_defined", |value: Value| value);
    engine.add_filter("multiply", |value: f64, by: f64| value * by);
    engine.add_filter("add", |value: f64, more: f64| value + more);
    engine.add_filter("from_json", from_json);
    engine.add_function("float", to_float);
    engine.add_function("int", to_int);
    engine.add_function("bool", to_bool);
    engine.add_function("iif", iif);
    engine.add_test("defined", tests::is_defined);
    engine.add_test("undefined", tests::is_undefined);
    engine.add_test("none", tests::is_none);
    engine.add_test("number", tests::is_number);
    engine.add_test("string", tests::is_string);
    engine.add_test("mapping", tests::is_mapping);
    engine.add_test("iterable", tests::is_iterable);
    engine.add_test("true", tests::is_true);
    engine.add_test("false", tests::is_false);
    engine.add_test("odd", tests::is_odd);
    engine.add_test("even", tests::is_even);
    engine
}

/// Home Assistant's templates print what Python prints.
fn format_as_python(out: &mut Output<'_>, _: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined => return Ok(()),
        ValueKind::Bool if value.is_true() => write!(out, "True")?,
        ValueKind::Bool => write!(out, "False")?,
        ValueKind::None => write!(out, "None")?,
        _ => write!(out, "{value}")?,
    }
    Ok(())
}

fn number_of(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None if value.kind() == ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        None => f64::try_from(value.clone()).ok(),
    }
}

fn no_number(value: &Value, what: &str) -> Error {
    let shown = value.to_string().chars().take(40).collect::<String>();
    Error::new(
        ErrorKind::InvalidOperation,
        format!("{what}: {shown:?} is no number"),
    )
}

fn to_float(value: &Value, or: Option<Value>) -> Result<Value, Error> {
    match (number_of(value), or) {
        (Some(number), _) => Ok(Value::from(number)),
        (None, Some(or)) => Ok(or),
        (None, None) => Err(no_number(value, "float")),
    }
}

/// In the range the cast below holds exactly.
const WHOLE_MAX: f64 = 9.0e15;

fn to_int(value: &Value, or: Option<Value>) -> Result<Value, Error> {
    let whole = number_of(value).map(f64::trunc);
    match (whole.filter(|whole| whole.abs() <= WHOLE_MAX), or) {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number in range")]
        (Some(whole), _) => Ok(Value::from(whole as i64)),
        (None, Some(or)) => Ok(or),
        (None, None) => Err(no_number(value, "int")),
    }
}

fn round(value: &Value, digits: Option<i32>) -> Result<Value, Error> {
    let number = number_of(value).ok_or_else(|| no_number(value, "round"))?;
    let digits = digits.unwrap_or(0).clamp(-15, 15);
    let scale = 10_f64.powi(digits);
    Ok(Value::from((number * scale).round() / scale))
}

fn to_bool(value: &Value, or: Option<Value>) -> Value {
    match value.as_str().map(str::to_lowercase).as_deref() {
        Some("true" | "yes" | "on" | "enable" | "1") => Value::from(true),
        Some("false" | "no" | "off" | "disable" | "0") => Value::from(false),
        Some(_) => or.unwrap_or_else(|| Value::from(false)),
        None => Value::from(value.is_true()),
    }
}

fn iif(value: &Value, yes: Option<Value>, no: Option<Value>) -> Value {
    match value.is_true() {
        true => yes.unwrap_or_else(|| Value::from(true)),
        false => no.unwrap_or_else(|| Value::from(false)),
    }
}

/// Like the engine's own, but it cannot make a small text a large one.
fn replace(value: &Value, from: &str, to: &str) -> Result<String, Error> {
    let value = value.to_string();
    let count = value.matches(from).count();
    if value.len() + count.saturating_mul(to.len()) > OUTPUT_BYTES_MAX {
        return Err(Error::new(ErrorKind::InvalidOperation, "replace: too long"));
    }
    Ok(value.replace(from, to))
}

fn from_json(text: &str) -> Result<Value, Error> {
    let read = serde_json::from_str::<serde_json::Value>(text);
    let read = read.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    Ok(Value::from_serialize(read))
}

#[cfg(test)]
mod checks {
    use super::*;

    fn check(source: &str, payload: &str, expected: &str) {
        let answer =
            Template::new(source).and_then(|template| template.apply(&Input::new(payload)));
        let answer = answer.unwrap_or_else(|problem| format!("! {problem}"));
        assert!(
            answer == expected
                || (expected.starts_with('!') && answer.contains(expected[1..].trim())),
            "{source} of {payload}\n  gave {answer}\n  not  {expected}"
        );
    }

    #[test]
    fn templates_of_devices_that_exist_do_what_they_do_there() {
        check(
            "{{ value_json.temperature }}",
            r#"{"temperature":21.5}"#,
            "21.5",
        );
        check(
            "{{ value_json['AM2301'].Temperature }}",
            r#"{"AM2301":{"Temperature":7}}"#,
            "7",
        );
        check("{{ value | float / 10 }}", "215", "21.5");
        check(
            "{{ value_json.t | float(0) | round(1) }}",
            r#"{"t":"21.54"}"#,
            "21.5",
        );
        check("{{ value_json.contact }}", r#"{"contact":false}"#, "False");
        check(
            "{{ 'ON' if value_json.occupancy else 'OFF' }}",
            r#"{"occupancy":true}"#,
            "ON",
        );
        check(
            "{% if value_json.a is defined %}{{ value_json.a }}{% endif %}",
            "{}",
            "",
        );
        check("{{ value_json.sensor.missing.deep }}", "{}", "");
        check(
            "{{ value_json.volts * 0.001 }}",
            r#"{"volts":3300}"#,
            "3.3000000000000003",
        );
        check("{{ value | replace(',', '.') | float }}", "21,5", "21.5");
        check(
            "{{ iif(value_json.s == 'open', 'ON', 'OFF') }}",
            r#"{"s":"open"}"#,
            "ON",
        );
        check("{% set m = {'a':'1','b':'2'} %}{{ m[value] }}", "b", "2");
        check("{{ value_json | is_defined }}", "nothing", "");
    }

    #[test]
    fn what_the_engine_does_not_know_is_said_at_once() {
        check("{{ value | frobnicate }}", "1", "! unknown filter");
        check("{{ states('sensor.x') }}", "1", "! unknown function");
        check("{{ value is frobnicated }}", "1", "! unknown test");
        check("{{ value", "1", "! syntax error");
        check("{{ value | float }}", "abc", "! no number");
        check(&"x".repeat(5_000), "1", "! more than");
    }

    #[test]
    fn no_template_takes_much_time_or_room() {
        let long = "y".repeat(60_000);
        let doubled = format!("{}{{{{ a }}}}", "{% set a = value ~ value %}".repeat(40));
        check(&doubled, &long, "! puts together too much");
        let nested = format!("{}{{{{ a }}}}", "{% for a in [value, value] %}".repeat(20));
        check(&nested, &long, "!");
        check(
            "{% set a %}{{ value }}{{ value }}{% endset %}{{ a }}",
            &long,
            "! captures",
        );
        check("{{ value }}{{ value }}", &long, "! ");
        check("{{ 'x' * 1000000000 }}", "", "! too large");
        check("{{ value | replace('y', value) }}", &long, "! too long");
        let many: Vec<u32> = (0..20_000).collect();
        let payload = serde_json::to_string(&many).unwrap();
        check(
            "{% for x in value_json %}{% if x %}{% endif %}{% endfor %}",
            &payload,
            "! fuel",
        );
    }
}
