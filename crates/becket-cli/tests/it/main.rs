//! The program as people meet it: each test runs the real binary and looks at what it prints and how it ends.

mod configuration;
mod deliveries;
mod demo;
mod errors;
mod reference;
mod samples;
mod serve;
mod tasks;
mod world;
