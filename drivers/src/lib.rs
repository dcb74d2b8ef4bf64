//! zhiban-drivers
