//! Control groups of both versions, as the kernel lays them out.

use rstest::rstest;

use super::*;

/// A mount with one group in it.
fn mount(at: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let mount = tempfile::tempdir().unwrap();
    let folder = mount.path().join(at);
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    mount
}

const TWO: [(&str, &str); 5] = [
    ("memory.current", "1000\n"),
    ("memory.max", "2000\n"),
    ("memory.high", "max\n"),
    (
        "memory.stat",
        "anon 500\ninactive_file 300\nactive_file 50\n",
    ),
    ("memory.events", "low 0\nhigh 1\nmax 7\noom 2\noom_kill 1\n"),
];

const ONE: [(&str, &str); 4] = [
    ("memory.usage_in_bytes", "1000\n"),
    ("memory.failcnt", "7\n"),
    (
        "memory.stat",
        "inactive_file 1\nhierarchical_memory_limit 2000\ntotal_inactive_file 300\n",
    ),
    (
        "memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    ),
];

#[rstest]
#[case::two("pods/one", &TWO, "0::/pods/one\n")]
#[case::two_of_a_container("", &TWO, "0::/kubepods/burstable/one\n")]
#[case::one("memory/pods/one", &ONE, "5:cpu,cpuacct:/\n4:memory:/pods/one\n0::/\n")]
#[case::one_of_a_container("memory", &ONE, "4:hugetlb,memory:/kubepods/one\n0::/\n")]
fn a_group_says_what_it_needs_and_may_have(
    #[case] at: &str,
    #[case] files: &[(&str, &str)],
    #[case] groups: &str,
) {
    let mount = mount(at, files);
    let group = Group::of(mount.path(), groups).unwrap();
    assert_eq!(group.charged(), Some(1000));
    assert_eq!(group.needed(), Some(700));
    assert_eq!(group.limit(), Some(2000));
    let events = group.events();
    assert!(events.contains(&("max", 7)), "{events:?}");
    assert!(events.contains(&("oom_kill", 1)), "{events:?}");
}

#[test]
fn the_lower_of_two_limits_counts() {
    let mut files = TWO;
    files[2] = ("memory.high", "1500\n");
    let mount = mount("", &files);
    let group = Group::of(mount.path(), "0::/\n").unwrap();
    assert_eq!(group.limit(), Some(1500));
}

#[rstest]
#[case("", &[("memory.current", "1\n"), ("memory.max", "max\n"), ("memory.high", "max\n")], "0::/\n")]
#[case("memory", &[("memory.usage_in_bytes", "1\n"), ("memory.stat", "hierarchical_memory_limit 9223372036854771712\n")], "4:memory:/\n")]
fn a_group_without_a_limit_has_none(
    #[case] at: &str,
    #[case] files: &[(&str, &str)],
    #[case] groups: &str,
) {
    let mount = mount(at, files);
    let group = Group::of(mount.path(), groups).unwrap();
    assert_eq!(group.limit(), None);
    assert_eq!(group.needed(), Some(1));
}

#[test]
fn where_no_memory_is_measured_there_is_no_group() {
    let mount = mount("cpu", &[]);
    assert!(Group::of(mount.path(), "5:cpu:/\n0::/\nnonsense\n").is_none());
}
