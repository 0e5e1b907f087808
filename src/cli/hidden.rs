//! Keeps secrets out of messages about a wrong command line: `-X sasl.password=...`.
//!
//! `clap` quotes the argument that it does not understand, and a shell log or a crash report would keep it.

/// Returns the text about these arguments (without the program's name), with stars for the values of properties.
///
/// A value is what follows `=`. If `-X` is used, so is any other word that is no option: it may be the rest of a
/// value that the shell has split. Values of `--send` and `--skip` are shown, as they are the mistake.
pub(super) fn without_values(text: String, args: &[String]) -> String {
    let uses_properties = args.iter().any(|arg| arg.starts_with("-X"));
    let before = std::iter::once("").chain(args.iter().map(String::as_str));
    let mut values: Vec<&str> = before
        .zip(args)
        .filter(|(before, arg)| !arg.starts_with("--s") && !matches!(*before, "--send" | "--skip"))
        .filter_map(|(_, arg)| match (arg.split_once('='), arg.strip_prefix("-X")) {
            (Some((_, value)), _) => Some(value),
            (None, Some(attached)) => Some(attached),
            (None, None) => Some(arg.as_str()).filter(|arg| uses_properties && !arg.starts_with('-')),
        })
        .filter(|value| !value.is_empty() && !matches!(*value, "run" | "dev" | "list" | "help"))
        .collect();
    // A value may be part of another one.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    values.into_iter().fold(text, |text, value| text.replace(value, "***"))
}
