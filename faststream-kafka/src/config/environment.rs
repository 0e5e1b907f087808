//! Reads settings from the environment, from the file that `KAFKA_CONFIG` names, and from files that hold a
//! secret.
//!
//! It runs once, in [`KafkaConfig::from_env`], and blocks for as long as the files take. It never fails: what
//! cannot be read becomes an entry of `KafkaConfig::unreadable`, which the startup reports. Such an entry names
//! the variable, and never its value, which may be a secret in the wrong place.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};

use super::names::is_path;
use super::properties::{decode, parse};
use super::{KafkaConfig, SettingOrigin};

/// The variable with the brokers' addresses. The same as `KAFKA__BOOTSTRAP_SERVERS`, which wins if both are set.
const BROKERS: &str = "KAFKA_BROKERS";
/// The variable with the path of a properties file.
const CONFIG: &str = "KAFKA_CONFIG";
/// The prefix of a variable that sets a property: `KAFKA__SECURITY_PROTOCOL`. The two underscores keep it apart
/// from the `KAFKA_PORT` that Kubernetes makes of a service named `kafka`.
const PREFIX: &str = "KAFKA__";
/// The suffix of a variable whose value is the path of a file that holds the value, as container platforms mount
/// secrets.
const FILE: &str = "_FILE";
/// The maximum size of a file of settings or of a secret, in bytes: 1 MiB, so that a path to a device or a dump
/// fails at once.
const LARGEST: u64 = 1 << 20;

/// Adds the settings of these variables. Variables that do not concern Kafka are ignored, including other names
/// that begin with `KAFKA_`: container platforms create such names for their services.
///
/// The variables are read in the order of their names, so the result does not depend on the order of the
/// environment.
pub(super) fn read(config: &mut KafkaConfig, variables: impl IntoIterator<Item = (OsString, OsString)>) {
    let is_ours = |name: &str| name == BROKERS || name == CONFIG || name.starts_with(PREFIX);
    let ours: BTreeMap<String, OsString> = variables
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| is_ours(name))
        .collect();
    for (name, value) in ours {
        let Ok(value) = value.into_string() else {
            config.unreadable.push(format!("{name}: the value is not UTF-8; set it again or unset it"));
            continue;
        };
        if name == CONFIG {
            read_file(config, value.trim());
        } else if name == BROKERS {
            config.settings.set("bootstrap.servers", value, SettingOrigin::Variable(name));
        } else {
            read_property(config, name, value);
        }
    }
}

/// Reads one `KAFKA__...` variable: the value of a property, or with `_FILE` at the end the path of a file with
/// the value. A property whose own name ends in `.file` takes the path itself.
fn read_property(config: &mut KafkaConfig, variable: String, value: String) {
    let dotted = |name: &str| name[PREFIX.len()..].to_lowercase().replace('_', ".");
    match variable.strip_suffix(FILE).filter(|_| !is_path(&dotted(&variable))) {
        None => config.settings.set(&dotted(&variable), value, SettingOrigin::Variable(variable)),
        Some(name) => match read_bytes(&value).and_then(utf8) {
            Ok(secret) => {
                let key = dotted(name);
                let secret = secret.trim_end_matches(['\r', '\n']);
                config.settings.set(&key, secret, SettingOrigin::SecretFile { variable, path: value });
            }
            Err(error) => config.unreadable.push(format!(
                // Not the path: the variable may hold the secret itself.
                "{variable}: the file that it names cannot be read ({error}): give it the path of a file that holds the value, \
                 mount that file, or unset the variable"
            )),
        },
    }
}

/// Reads the properties file. An empty path is no path: a deployment template may leave the variable empty.
fn read_file(config: &mut KafkaConfig, path: &str) {
    if path.is_empty() {
        return;
    }
    let text = match read_bytes(path) {
        Ok(bytes) => decode(&bytes),
        Err(error) => {
            let file = if is_clearly_a_path(path) {
                format!("the file {path:?}")
            } else {
                "the file that it names".into()
            };
            config.unreadable.push(format!(
                "{CONFIG}: {file} cannot be read ({error}); it takes the path of a properties file: mount it or unset the variable"
            ));
            return;
        }
    };
    let (settings, faults) = parse(&text);
    for line in settings {
        let source = SettingOrigin::File { path: path.into(), line: line.number };
        config.settings.set(&line.key, line.value, source);
    }
    let faults = faults.into_iter().map(|(line, fault)| format!("{path}:{line}: {fault}"));
    config.unreadable.extend(faults);
}

/// Returns the content of a file. Reads at most one byte more than the limit, so neither a device nor a dump is
/// read to its end.
fn read_bytes(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it is larger than {LARGEST} bytes")));
    }
    Ok(bytes)
}

/// Returns the text of a secret; a secret that is not UTF-8 is an error, as the library takes text.
fn utf8(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))
}

/// Returns whether the text may be printed as a path. Some put the settings themselves where the path belongs.
fn is_clearly_a_path(text: &str) -> bool {
    let is_of_path = |letter: char| letter.is_alphanumeric() || "/._-".contains(letter);
    text.contains('/') && text.chars().all(is_of_path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::config::ClientKind;

    fn from(variables: &[(&str, &str)]) -> KafkaConfig {
        let mut config = KafkaConfig::default();
        read(&mut config, variables.iter().map(|(name, value)| (name.into(), value.into())));
        config
    }

    fn file(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("faststream-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        path
    }

    fn value(config: &KafkaConfig, name: &str) -> Option<(String, String)> {
        let setting = config.settings.get(ClientKind::Consumer, name)?;
        Some((setting.value.clone(), setting.source.to_string()))
    }

    #[test]
    fn without_variables_the_brokers_are_the_default_and_say_so() {
        let config = from(&[("HOME", "/root"), ("KAFKA_PORT", "tcp://10.0.0.1:9092")]);
        let (brokers, source) = config.brokers();
        assert_eq!(brokers, "localhost:9092");
        assert_eq!(source.to_string(), "the default, as KAFKA_BROKERS is not set");
        assert_eq!(config.settings.all().count(), 0);
    }

    #[test]
    fn variables_become_properties_and_name_themselves() {
        let config = from(&[("KAFKA_BROKERS", "a:9092"), ("KAFKA__SECURITY_PROTOCOL", "ssl")]);
        assert_eq!(config.brokers().0, "a:9092");
        assert_eq!(config.brokers().1.to_string(), "the variable KAFKA_BROKERS");
        let expected = ("ssl".to_owned(), "the variable KAFKA__SECURITY_PROTOCOL".to_owned());
        assert_eq!(value(&config, "security.protocol"), Some(expected));
    }

    #[test]
    fn a_secret_is_read_from_its_file_without_the_last_line_break() {
        let path = file("secret", "hunter2\n");
        let config = from(&[("KAFKA__SASL_PASSWORD_FILE", path.to_str().unwrap())]);
        assert_eq!(value(&config, "sasl.password").unwrap().0, "hunter2");
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_property_whose_name_ends_in_file_is_not_read_as_a_secret() {
        let config = from(&[("KAFKA__SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE", "/key.pem")]);
        assert_eq!(value(&config, "sasl.oauthbearer.assertion.private.key.file").unwrap().0, "/key.pem");
    }

    #[test]
    fn files_that_cannot_be_read_are_named_with_their_variable() {
        let config = from(&[("KAFKA__SASL_PASSWORD_FILE", "/no/secret"), ("KAFKA_CONFIG", "/no/config")]);
        assert_eq!(config.unreadable.len(), 2);
        assert!(config.unreadable[0].contains("KAFKA_CONFIG: the file \"/no/config\" cannot be read"));
        assert!(config.unreadable[1].contains("KAFKA__SASL_PASSWORD_FILE: the file that it names cannot"));
        assert!(!config.unreadable[1].contains("/no/secret"), "the variable may hold the secret itself");
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_program() {
        let path = file("config", "client.id=file\nlinger.ms=1\nfetch.min.bytes=2\n");
        let mut config =
            from(&[("KAFKA_CONFIG", path.to_str().unwrap()), ("KAFKA__CLIENT_ID", "environment")])
                .client_id("program")
                .property("linger.ms", "9");
        assert_eq!(value(&config, "client.id").unwrap().0, "environment");
        let expected = ("1".to_owned(), format!("{}:2", path.display()));
        assert_eq!(value(&config, "linger.ms"), Some(expected));
        config.override_property("client.id", "command line");
        assert_eq!(value(&config, "client.id").unwrap().0, "command line");
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn an_alias_and_the_name_are_one_setting() {
        let config = from(&[("KAFKA__LINGER_MS", "7")]).property("queue.buffering.max.ms", "1");
        assert_eq!(value(&config, "linger.ms").unwrap().0, "7");
        assert_eq!(config.settings.all().count(), 1);
    }
}
