//! zhiban-central
