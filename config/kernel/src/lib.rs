//! zhiban-kernel
