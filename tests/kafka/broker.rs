//! A real Apache Kafka of one node (no Zookeeper), from its Maven artifacts, on a free port of the loopback.
#![allow(dead_code, reason = "each test program uses its part")]

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(60);

/// Killed, by its own handle, when dropped.
pub(crate) struct Kafka {
    child: Child,
    dir: PathBuf,
    pub(crate) port: u16,
}

impl Kafka {
    /// A broker that clients reach on its own port.
    pub(crate) fn start(name: &str) -> Self {
        Self::start_advertising(name, None)
    }

    /// A broker at a port that was free a moment ago: clients may know it before.
    pub(crate) fn start_at(name: &str, port: u16) -> Self {
        Self::start_with(name, port, port)
    }

    /// A broker that tells clients to come by another port: a proxy's.
    pub(crate) fn start_advertising(name: &str, advertised: Option<u16>) -> Self {
        let port = free_port();
        Self::start_with(name, port, advertised.unwrap_or(port))
    }

    fn start_with(name: &str, port: u16, advertised: u16) -> Self {
        let jars = jars();
        let dir = target().join("kafka").join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).expect("a directory for the broker");
        let properties = properties(&dir, port, free_port(), advertised);
        let file = dir.join("server.properties");
        fs::write(&file, properties).expect("its settings");
        fs::write(dir.join("log4j2.properties"), LOGS).expect("its log settings");
        let format = java(&jars, &dir)
            .args([
                "kafka.tools.StorageTool",
                "format",
                "--ignore-formatted",
                "-t",
                "MkU3OEVBNTcwNTJENDM2Qk",
                "-c",
            ])
            .arg(&file)
            .output()
            .expect("java runs");
        assert!(format.status.success(), "formatting: {}", String::from_utf8_lossy(&format.stderr));
        let log = File::create(dir.join("broker.log")).expect("its log");
        let child = java(&jars, &dir)
            .arg("kafka.Kafka")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("its log"))
            .stderr(log)
            .spawn()
            .expect("java runs");
        let kafka = Self { child, dir, port };
        let until = Instant::now() + START;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < until, "the broker does not answer; see {}", kafka.dir.display());
            thread::sleep(Duration::from_millis(100));
        }
        kafka
    }

    /// What clients connect to.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn properties(dir: &Path, port: u16, controller: u16, advertised: u16) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}
controller.listener.names=CONTROLLER
log.dirs={}
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=1000
log.retention.ms=-1
",
        dir.join("data").display()
    )
}

const LOGS: &str = "rootLogger.level=warn
rootLogger.appenderRef.c.ref=c
appender.c.type=Console
appender.c.name=c
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d %p %c - %m%n
";

fn java(jars: &Path, dir: &Path) -> Command {
    let mut java = Command::new("java");
    java.args(["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .arg(format!("-Dlog4j2.configurationFile={}", dir.join("log4j2.properties").display()))
        .arg("-cp")
        .arg(jars.join("*"))
        .current_dir(dir);
    java
}

/// The jars, fetched once by Maven.
fn jars() -> PathBuf {
    static JARS: OnceLock<PathBuf> = OnceLock::new();
    JARS.get_or_init(fetch).clone()
}

fn fetch() -> PathBuf {
    let jars = target().join("kafka").join("jars");
    let done = jars.join("complete");
    if done.exists() {
        return jars;
    }
    let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/pom.xml");
    let maven = Command::new("mvn")
        .args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-f"])
        .arg(pom)
        .arg(format!("-DoutputDirectory={}", jars.display()))
        .output();
    let maven = maven
        .expect("the real-Kafka tests need Java 17 and Maven: `apt-get install default-jdk-headless maven`");
    assert!(maven.status.success(), "fetching Kafka: {}", String::from_utf8_lossy(&maven.stdout));
    fs::write(done, "").expect("a marker");
    jars
}

/// `target`, wherever it is: two above the test binary's `deps`.
pub(crate) fn target() -> PathBuf {
    let binary = std::env::current_exe().expect("this binary has a path");
    binary.ancestors().nth(3).expect("it lies in target/profile/deps").to_owned()
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}
