//! The machine: its description, CPU time, caches, and a folder to work in.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

/// Describes the kernel, the CPU and the folder's file system in one line.
pub fn describe(dir: &Path) -> Result<String> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let cores = std::thread::available_parallelism()?;
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name\t: "))
        .unwrap_or("unknown");
    let dir = dir
        .canonicalize()
        .with_context(|| format!("{} does not exist", dir.display()))?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mount = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|fields| dir.starts_with(fields[1]))
        .max_by_key(|fields| fields[1].len())
        .map_or_else(
            || "unknown".to_owned(),
            |f| format!("{} on {} ({})", f[2], f[0], f[3]),
        );
    Ok(format!(
        "Linux {}, {cores} cores of {cpu}; {mount}",
        kernel.trim()
    ))
}

/// Returns the CPU time that this process has used.
pub fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        now.tv_sec.unsigned_abs(),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// Returns the peak memory of this process, in MiB (`VmHWM` of proc_pid_status(5)).
pub fn peak_memory_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// Drops the page, dentry and inode caches. Needs root.
pub fn drop_caches() -> Result<()> {
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", "3")
        .context("cannot drop the caches: run cold loads as root")
}

/// Removes a subject's folder.
pub fn remove(root: &Path) -> Result<()> {
    fs::remove_dir_all(root).with_context(|| format!("cannot remove {}", root.display()))
}

/// A folder that is removed on drop.
pub struct Scratch(PathBuf, AtomicU64);

impl Scratch {
    pub fn new(dir: &Path) -> Result<Self> {
        let path = dir
            .canonicalize()?
            .join(format!("artifact-bench-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path, AtomicU64::new(0)))
    }

    pub fn fresh(&self) -> Result<PathBuf> {
        let path = self
            .0
            .join(self.1.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&path)?;
        Ok(path)
    }

    /// Fills the page cache with a file of zeros that takes no room on the disk, as large as the memory. Returns the file, which
    /// keeps the cache as long as it exists.
    ///
    /// In a virtual machine the host may take memory back that is free (free page reporting). The first write to each page of it then
    /// costs microseconds. Where the cache is full, as on a server that has run for a day, new pages come from those of old files.
    pub fn fill_page_cache(&self) -> Result<File> {
        let memory = fs::read_to_string("/proc/meminfo")?;
        let total = memory
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"));
        let kib: u64 = total
            .and_then(|total| total.trim().trim_end_matches(" kB").parse().ok())
            .context("/proc/meminfo has no MemTotal")?;
        let path = self.0.join("cached");
        let mut file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        fs::remove_file(&path)?;
        file.set_len(kib << 10)?;
        let mut buffer = vec![0; 1 << 20];
        while file.read(&mut buffer)? > 0 {}
        Ok(file)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
