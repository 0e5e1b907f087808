//! The modules of each crate form a stack: one imports only what stands before it in its crate's `lib.rs`.
//!
//! The order there is the order in which one would explain the crate, so the first module rests on none. An order that every
//! import follows has no cycle. Tests may import what they like.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The crates, by the directories of their sources.
const CRATES: [&str; 4] = ["faststream-core/src", "faststream-macros/src", "faststream-kafka/src", "src"];

#[test]
fn modules_import_only_those_that_stand_before_them_in_lib_rs() {
    let mut upwards = BTreeMap::new();
    for root in CRATES {
        let order = order(root);
        assert!(order.len() > 3, "{root}/lib.rs has few modules: {order:?}");
        let at = |module: &str| order.iter().position(|known| known == module);
        for (from, to, file) in imports(root, &order) {
            if at(&to) > at(&from) {
                upwards.insert((root, from, to), file);
            }
        }
    }
    assert!(upwards.is_empty(), "steps upwards against lib.rs: {upwards:#?}");
}

#[test]
fn the_files_of_modules_hold_documentation_and_exports_only() {
    let mut wrong = Vec::new();
    for root in CRATES {
        for path in sources(&base().join(root)) {
            if path.ends_with("lib.rs") || path.ends_with("mod.rs") {
                let name = path.strip_prefix(base()).expect("below the root").display().to_string();
                let more = more_than_exports(&product(&path), root == "faststream-macros/src");
                wrong.extend(more.map(|more| (name, more)));
            }
        }
    }
    assert!(wrong.is_empty(), "move it into a file of its own: {wrong:#?}");
}

#[test]
fn the_reader_of_imports_sees_what_is_there() {
    let text = "use crate::{a, b::{C, d}}; // crate::no\nfn f() { crate::e::g(\"crate::no\"); let c = '\"'; $crate::h!() }\n\
        /* crate::no */ #[cfg(test)]\nmod tests { use crate::no; }\n#[cfg(test)] use crate::no;\nuse super::super::i::J;";
    let text = without_tests(&code(text));
    assert_eq!(paths(&text, "crate::"), ["a", "b", "e", "h"].map(ToOwned::to_owned).into());
    assert_eq!(paths(&text, "super::super::"), ["i".to_owned()].into());
    assert_eq!(
        more_than_exports("pub mod a; #[doc(hidden)] pub use b::{C, D}; mod e { pub use f::*; }", false),
        None
    );
    assert!(more_than_exports("mod a; fn b() {}", false).is_some());
}

fn base() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The modules in the order of `lib.rs`.
fn order(root: &str) -> Vec<String> {
    let text = product(&base().join(root).join("lib.rs"));
    let names = text.lines().filter_map(|line| {
        let (before, name) =
            line.trim().strip_suffix([';', '{']).unwrap_or(line).trim_end().rsplit_once("mod ")?;
        before.chars().all(|c| c.is_alphanumeric() || " #[](),_=".contains(c)).then(|| name.to_owned())
    });
    names.collect()
}

/// Who imports what, with the file: between modules at the top of a crate.
fn imports(root: &str, order: &[String]) -> BTreeSet<(String, String, PathBuf)> {
    let dir = base().join(root);
    let mut macros = BTreeMap::new();
    let mut found = Vec::new();
    for path in sources(&dir) {
        let rest = path.strip_prefix(&dir).expect("below it");
        let own = rest.components().next().expect("a name").as_os_str().to_string_lossy();
        let own = own.trim_end_matches(".rs").to_owned();
        let own = if own == "private" { "__private".to_owned() } else { own };
        if own == "lib" || own == "main" {
            continue;
        }
        let depth = rest.components().count() - usize::from(path.ends_with("mod.rs"));
        let text = product(&path);
        for name in text.split("macro_rules!").skip(1) {
            macros.insert(word(name.trim_start()).to_owned(), own.clone());
        }
        found.extend(paths(&text, "crate::").into_iter().map(|to| (own.clone(), to, rest.to_owned())));
        // In a module inside of a file, it leads less far: what is no module there is none of the crate's.
        let above = paths(&text, &"super::".repeat(depth)).into_iter().filter(|to| order.contains(to));
        found.extend(above.map(|to| (own.clone(), to, rest.to_owned())));
    }
    let exported = exported(&product(&dir.join("lib.rs")));
    let resolved = found.into_iter().map(|(from, to, file)| {
        let known = order.contains(&to).then(|| to.clone());
        let module = known.or_else(|| macros.get(&to).or_else(|| exported.get(&to)).cloned());
        (
            from,
            module.unwrap_or_else(|| panic!("{root}: which module is `crate::{to}` of {}?", file.display())),
            file,
        )
    });
    resolved.filter(|(from, to, _)| from != to).collect()
}

/// What `lib.rs` exports of its modules, one by one.
fn exported(lib: &str) -> BTreeMap<String, String> {
    let uses = lib.split(';').filter_map(|part| part.trim().strip_prefix("pub use "));
    let mut all = BTreeMap::new();
    for (module, items) in uses.filter_map(|part| part.split_once("::")) {
        for item in items.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|item| !item.is_empty()) {
            all.insert(item.to_owned(), module.to_owned());
        }
    }
    all
}

/// The first names behind `crate::`, or behind as many `super::` as lead to the crate's root.
fn paths(text: &str, start: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices(start) {
        let before = &text[..at];
        if !before.ends_with("::") && !before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            names.extend(first_names(&text[at + start.len()..]));
        }
    }
    names
}

/// `a` of `a::b`, `a` and `c` of `{a::{b, d}, c}`.
fn first_names(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else { return vec![word(rest).to_owned()] };
    let (mut depth, mut names, mut item) = (0, Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => names.push(std::mem::take(&mut item)),
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if depth == 0 => item.push(c),
            _ => {}
        }
    }
    names.push(item);
    names.iter().map(|item| word(item.trim()).to_owned()).filter(|name| !name.is_empty()).collect()
}

fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())]
}

/// What is more than `mod` and `use`; entry points of macros have to stand in `lib.rs`.
fn more_than_exports(text: &str, macros: bool) -> Option<String> {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let bare = ["pub ", "pub(crate) ", "pub(super) "].iter().find_map(|shown| rest.strip_prefix(shown));
        let bare = bare.unwrap_or(rest);
        rest = if rest.starts_with('#') {
            let item = &rest[rest.find('[')?..];
            if macros && item.starts_with("[proc_macro_attribute]") {
                behind(item, '{', '}')
            } else {
                behind(item, '[', ']')
            }
        } else if bare.starts_with("use ") || (bare.starts_with("mod ") && ends_before(bare, ';', '{')) {
            &bare[bare.find(';')? + 1..]
        } else if bare.starts_with("mod ") {
            let after = behind(bare, '{', '}');
            let inner = &bare[bare.find('{')? + 1..bare.len() - after.len() - 1];
            if let Some(more) = more_than_exports(inner, false) {
                return Some(more);
            }
            after
        } else {
            return Some(rest.lines().next().unwrap_or_default().to_owned());
        }
        .trim_start();
    }
    None
}

fn ends_before(text: &str, end: char, block: char) -> bool {
    text.find([end, block]).is_some_and(|at| text[at..].starts_with(end))
}

/// What follows the first bracket's end.
fn behind(text: &str, open: char, close: char) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return &text[at + 1..];
            }
        }
    }
    ""
}

/// The code of a file, without what is compiled for tests alone.
fn product(path: &Path) -> String {
    without_tests(&code(&fs::read_to_string(path).expect("a source file")))
}

/// Removes comments, and what stands in quotes.
fn code(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if c == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") || rest.starts_with("'{'") || rest.starts_with("'}'") {
            3
        } else {
            0
        };
        if skipped == 0 {
            out.push(c);
        }
        rest = &rest[skipped.max(c.len_utf8()).min(rest.len())..];
        if skipped > 0 && rest.is_empty() {
            break;
        }
    }
    out
}

/// Removes the items that follow `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]").into_iter().chain(rest.find("#[cfg(all(test")).min() {
        out.push_str(&rest[..at]);
        let item = behind(&rest[at..], '[', ']');
        let (end, block) = (item.find(';').unwrap_or(item.len()), item.find('{').unwrap_or(item.len()));
        let group = item.trim_start().starts_with("use ") || item.trim_start().starts_with("pub(crate) use ");
        rest = if end < block || group { &item[(end + 1).min(item.len())..] } else { behind(item, '{', '}') };
    }
    out.push_str(rest);
    out
}

/// All files of Rust below a directory, but those of tests alone.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory of the project") {
        let path = entry.expect("an entry").path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
