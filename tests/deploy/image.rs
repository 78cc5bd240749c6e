//! The image: built without an engine, unpacked, and run as a container runtime would, with nothing but what is in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{path, read};
use crate::support::fusegate::{Fusegate, FusegateConfig, program};
use crate::support::scratch::Scratch;
use crate::support::servers::assets;

/// An image that was built and unpacked.
struct Image {
    folder: Scratch,
}

impl Image {
    /// Built once for all tests of the process.
    fn unpacked() -> &'static Self {
        static IMAGE: OnceLock<Image> = OnceLock::new();
        IMAGE.get_or_init(|| Self::build().unwrap())
    }

    fn build() -> Result<Self> {
        let folder = Scratch::new("image")?;
        let umoci = assets::program("umoci")?;
        let programs = umoci.parent().context("no folder")?.display();
        let programs = format!("{programs}:{}", std::env::var("PATH")?);
        for layout in ["first", "second"] {
            let program = program()?;
            let build = path("deploy/image/build.sh");
            succeed(
                Command::new(build)
                    .env("PATH", &programs)
                    .arg(program)
                    .arg(folder.path().join(layout))
                    .arg("test"),
            )?;
        }
        let image = format!("{}:test", folder.path().join("first").display());
        let bundle = folder.path().join("bundle");
        // Owners are of no use to us.
        succeed(
            Command::new(umoci)
                .args(["unpack", "--rootless", "--image", &image])
                .arg(bundle),
        )?;
        Ok(Self { folder })
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("bundle/rootfs")
    }

    /// What a container runtime is told.
    fn config(&self) -> Result<Value> {
        let text = fs::read_to_string(self.folder.path().join("bundle/config.json"))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// What is put before the program's arguments, so that it has the image's files, read-only, and its user;
    /// a folder of ours is mounted at `/dev`, which is empty in the image.
    fn wrap(&self, mounted: &Path) -> Vec<String> {
        let root = self.root().display().to_string();
        let mounted = mounted.display();
        let script = format!(
            "mount --bind {root} {root} && mount -o remount,bind,ro {root} && mount --rbind {mounted} {root}/dev && exec chroot {root} /usr/bin/fusegate \"$@\""
        );
        // The capabilities are those of a namespace of its own, in which it may mount.
        let unshare = "unshare --user --mount --map-user=65532 --map-group=65532 --keep-caps sh -c";
        let words = unshare.split(' ').map(str::to_owned);
        words.chain([script]).collect()
    }
}

fn succeed(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {told}");
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn two_builds_of_one_program_are_the_same_image() -> Result<()> {
    let image = Image::unpacked();
    let [first, second] = ["first", "second"]
        .map(|layout| fs::read_to_string(image.folder.path().join(layout).join("index.json")));
    assert_eq!(first?, second?);
    Ok(())
}

#[tokio::test]
async fn the_controller_runs_on_the_images_files_alone() -> Result<()> {
    let image = Image::unpacked();
    let objects = Scratch::new("image-objects")?;
    for name in [
        "crd.yaml",
        "contract.yaml",
        "policy.yaml",
        "storefront.yaml",
    ] {
        objects.write(name, read(&format!("deploy/examples/{name}")))?;
    }
    let config = FusegateConfig::args(["--source=dir:/dev", "--audit=-"]);
    let fusegate = Fusegate::start(FusegateConfig {
        wrap: image.wrap(objects.path()),
        unrecorded: true,
        ..config
    })
    .await?;
    let (status, body) = fusegate.get("v1/gate/shop/checkout").await?;
    ensure!(status == 200 || status == 424, "{status} {body}");
    // Nothing was written but where the folder is mounted.
    let written = fs::read_dir(image.root().join("dev"))?.count();
    assert_eq!(written, 0);
    assert!(objects.path().join(".fusegate").is_dir());
    Ok(())
}

#[test]
fn it_runs_as_nobody_from_a_root_that_nobody_writes() -> Result<()> {
    let image = Image::unpacked();
    let process = image.config()?["process"].clone();
    assert_eq!(process["user"]["uid"], 65532);
    assert_eq!(
        process["args"],
        serde_json::json!(["/usr/bin/fusegate", "run"])
    );
    let deployment = super::documents("deploy/kubernetes/deployment.yaml").remove(0);
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsUser"], process["user"]["uid"]);
    assert_eq!(
        pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"],
        true
    );
    Ok(())
}

#[test]
fn it_brings_authorities_pages_licences_and_a_bill_of_materials() -> Result<()> {
    let root = Image::unpacked().root();
    let authorities = fs::read_to_string(root.join("etc/ssl/certs/ca-certificates.crt"))?;
    ensure!(
        authorities.matches("BEGIN CERTIFICATE").count() > 50,
        "few authorities"
    );
    let documents = root.join("usr/share/doc");
    let license = fs::read_to_string(documents.join("fusegate/LICENSE"))?;
    assert_eq!(license, read("LICENSE"));
    for package in ["libc6", "libgcc-s1", "ca-certificates"] {
        assert!(
            documents.join(package).join("copyright").is_file(),
            "{package}"
        );
    }
    for file in [
        "man/man1/fusegate-run.1",
        "bash-completion/completions/fusegate",
        "zsh/site-functions/_fusegate",
        "fish/vendor_completions.d/fusegate.fish",
    ] {
        let text = fs::read_to_string(root.join("usr/share").join(file))?;
        ensure!(text.contains("fusegate"), "{file}");
    }
    let bill = fs::read_to_string(documents.join("fusegate/sbom.cdx.json"))?;
    let bill: Value = serde_json::from_str(&bill)?;
    assert_eq!(
        bill["metadata"]["component"]["version"],
        env!("CARGO_PKG_VERSION")
    );
    let components = bill["components"].as_array().unwrap();
    let names: BTreeSet<&str> = components
        .iter()
        .filter_map(|component| component["name"].as_str())
        .collect();
    for linked in [
        "tokio",
        "kube",
        "fusegate-xds",
        "tikv-jemallocator",
        "libc6",
    ] {
        assert!(names.contains(linked), "{linked}");
    }
    // For tests alone, and a macro that is not in the program.
    for other in ["rstest", "insta", "serde_derive"] {
        assert!(!names.contains(other), "{other}");
    }
    for component in components {
        let name = component["name"].as_str().unwrap();
        let version = component["version"].as_str().unwrap();
        let files = documents.join(format!("fusegate/crates/{name}-{version}"));
        let said = component["licenses"][0]["expression"].is_string();
        let known = files.is_dir() || said || documents.join(name).is_dir();
        assert!(known, "nobody says what the licence of {name} {version} is");
    }
    Ok(())
}
