//! zhiban-tests
