//! The `palisade` command.

fn main() -> std::process::ExitCode {
    palisade_cli::run(std::env::args_os())
}
