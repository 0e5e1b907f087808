//! The packages whose handlers run. Registration at link time crosses crates, so a library's handlers run in each
//! program that uses anything of the library.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::subscriber::Subscriber;

/// Returns the names of the packages, with the number of their running handlers: `billing (2), report (1)`.
pub(super) fn list(subscribers: &[Arc<Subscriber>]) -> String {
    let each = count(subscribers).into_iter().map(|(package, handlers)| format!("{package} ({handlers})"));
    each.collect::<Vec<_>>().join(", ")
}

/// Returns a sentence for each package whose handlers run without being selected. `own` is the package that has `main`;
/// `selected` is whether the app selects its subscribers.
pub(super) fn warnings(subscribers: &[Arc<Subscriber>], own: Option<&str>, selected: bool) -> Vec<String> {
    let packages = count(subscribers);
    if selected || (own.is_none() && packages.len() < 2) {
        return Vec::new();
    }
    let Some(own) = own else {
        return vec![format!(
            "handlers of {} packages run, because they are linked in: {}; name those that are meant: \
             `.package(\"...\")`",
            packages.len(),
            list(subscribers)
        )];
    };
    let foreign = packages.keys().filter(|package| **package != own);
    let told = foreign.map(|package| {
        let names = subscribers.iter().filter(|subscriber| subscriber.handler.def.package == *package);
        let names: Vec<_> = names.map(|subscriber| &*subscriber.handler.name).collect();
        let mine = if packages.contains_key(own) { format!(".package(\"{own}\")") } else { String::new() };
        let (shown, more) = names.split_at(names.len().min(5));
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        let otherwise = if mine.is_empty() {
            "name what is meant instead".to_owned()
        } else {
            format!("else write `{mine}` alone")
        };
        format!(
            "handlers of the package `{package}` run here, because it is linked in: {}{more}; if that is meant, write \
             `{mine}.package(\"{package}\")`, {otherwise}",
            shown.join(", ")
        )
    });
    told.collect()
}

fn count(subscribers: &[Arc<Subscriber>]) -> BTreeMap<&'static str, usize> {
    let mut packages = BTreeMap::new();
    for subscriber in subscribers {
        *packages.entry(subscriber.handler.def.package).or_default() += 1;
    }
    packages
}

#[cfg(test)]
mod tests {
    use crate::app::{FastStream, LaunchOptions, Plan, StartupFaults};
    use crate::memory::MemoryBroker;
    use crate::subscriber::{SourceDef, SubscriberDef};

    const SUMS: SubscriberDef =
        SubscriberDef { name: "sums", package: "report", module: "report", ..SubscriberDef::fixture() };
    const BILL: SubscriberDef = SubscriberDef {
        name: "bill",
        package: "orders-service",
        module: "orders_service::billing",
        source: SourceDef::Topics(&["orders"]),
        ..SubscriberDef::fixture()
    };

    fn plan(app: FastStream, package: Option<&'static str>) -> Result<Plan, StartupFaults> {
        app.name("app").plan_of(vec![&SUMS, &BILL], LaunchOptions { package, ..LaunchOptions::default() })
    }

    fn app() -> FastStream {
        FastStream::new(MemoryBroker::new())
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.subscribers().iter().map(|subscriber| subscriber.handler.def.name).collect()
    }

    #[test]
    fn each_package_whose_handlers_run_is_listed_and_warned_of_if_nothing_names_it() {
        let plan = plan(app(), Some("report")).expect("a right app");
        assert_eq!(plan.packages(), "orders-service (1), report (1)");
        assert_eq!(
            plan.warnings(),
            [
                "handlers of the package `orders-service` run here, because it is linked in: bill; if that is meant, write \
              `.package(\"report\").package(\"orders-service\")`, else write `.package(\"report\")` alone"
            ]
        );
    }

    #[test]
    fn what_is_named_by_package_or_module_runs_alone_and_is_not_warned_of() {
        let both = plan(app().package("report").package("orders-service"), Some("report")).expect("right");
        assert_eq!((names(&both), both.warnings().len()), (vec!["sums", "bill"], 0));
        let own = plan(app().package("report"), Some("report")).expect("right");
        assert_eq!((names(&own), own.warnings().len()), (vec!["sums"], 0));
        let mixed = plan(app().package("report").module("orders_service"), Some("report")).expect("right");
        assert_eq!((names(&mixed), mixed.warnings().len()), (vec!["sums", "bill"], 0));
    }

    #[test]
    fn a_package_that_has_no_handlers_is_a_fault_that_lists_those_that_have() {
        let faults = plan(app().package("orders"), Some("report")).expect_err("there is none").to_string();
        assert!(faults.contains("`.package(\"orders\")` selects no subscriber"), "{faults}");
        assert!(faults.contains("`orders-service`, `report`"), "{faults}");
    }

    #[test]
    fn without_a_generated_main_more_than_one_package_is_warned_of() {
        let told = plan(app(), None).expect("a right app");
        assert!(told.warnings()[0].contains("handlers of 2 packages run"), "{:?}", told.warnings());
        let one = app().name("app").plan_of(vec![&BILL], LaunchOptions::default()).expect("a right app");
        assert!(one.warnings().is_empty(), "{:?}", one.warnings());
    }
}
