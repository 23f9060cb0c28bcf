//! Replaying a delivery that is stored: through the handlers as they are now.
