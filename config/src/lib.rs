//! zhiban-config
