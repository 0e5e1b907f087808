//! Messages a second and CPU time a message, from the first message of a run to its last.

use std::fs;
use std::sync::Mutex;
use std::time::Instant;

use tokio::sync::Notify;

/// What one run needed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Messages a second.
    pub(crate) rate: f64,
    /// CPU nanoseconds a message, all threads of the process.
    pub(crate) cpu: f64,
}

/// Times the run that goes on.
pub(crate) struct Watch {
    begun: Mutex<Option<(Instant, u64)>>,
    result: Mutex<Option<Figures>>,
    pub(crate) done: Notify,
}

impl Watch {
    pub(crate) const fn new() -> Self {
        Self { begun: Mutex::new(None), result: Mutex::new(None), done: Notify::const_new() }
    }

    /// The first message is there.
    pub(crate) fn begin(&self) {
        *self.begun.lock().expect("not poisoned") = Some((Instant::now(), cpu_nanoseconds()));
    }

    /// The last message was handled.
    pub(crate) fn end(&self, messages: u64) {
        let (start, cpu) = self.begun.lock().expect("not poisoned").take().expect("it has begun");
        let seconds = start.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "figures to print")]
        let figures = Figures {
            rate: messages as f64 / seconds,
            cpu: (cpu_nanoseconds() - cpu) as f64 / messages as f64,
        };
        *self.result.lock().expect("not poisoned") = Some(figures);
        self.done.notify_one();
    }

    /// The figures of the run that ended.
    pub(crate) fn take(&self) -> Figures {
        self.result.lock().expect("not poisoned").take().expect("the run has ended")
    }
}

/// Of all living threads; Linux only, elsewhere 0.
pub(crate) fn cpu_nanoseconds() -> u64 {
    nanoseconds(|_| true)
}

/// Of all living threads but that of the mock cluster's brokers.
#[allow(dead_code, reason = "not every benchmark asks for it")]
pub(crate) fn client_nanoseconds() -> u64 {
    nanoseconds(|name| name.trim_end() != "rdk:mock")
}

fn nanoseconds(counts: impl Fn(&str) -> bool) -> u64 {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return 0 };
    threads
        .flatten()
        .filter(|thread| fs::read_to_string(thread.path().join("comm")).is_ok_and(|name| counts(&name)))
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}

/// Prints what one run of a side needed.
pub(crate) fn print(side: &str, figures: Figures) {
    println!("{side:<16} {:>10.0} msgs/s {:>6.0} CPU ns/msg", figures.rate, figures.cpu);
}

/// Prints how the medians of one side compare with those of another.
pub(crate) fn print_ratios(name: &str, side: &[Figures], other: &[Figures]) {
    let ratio = |of: fn(&Figures) -> f64| median(side.iter().map(of)) / median(other.iter().map(of));
    println!("ratio_cpu_vs_{name} {:.2} x", ratio(|figures| figures.cpu));
    println!("ratio_vs_{name} {:.2} x", ratio(|figures| figures.rate));
}

/// The middle of the values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
