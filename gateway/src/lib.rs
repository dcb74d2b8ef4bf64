//! zhiban-gateway
