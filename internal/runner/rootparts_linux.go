package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// devices are shown to every host, accelerators where the machine has them. Disks are not.
var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}
var acceleratorPatterns = []string{"/dev/nvidia*", "/dev/dri", "/dev/kfd", "/dev/infiniband"}

func (b *rootBuilder) addDevices() error {
	dev := b.root + "/dev"
	if err := mount("tmpfs", dev, "tmpfs", unix.MS_NOSUID, "mode=755,size=64k"); err != nil {
		return err
	}
	shown := devices
	for _, pattern := range acceleratorPatterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		shown = append(shown, found...)
	}
	for _, device := range shown {
		info, err := os.Stat(device)
		if err != nil {
			continue // not every machine has every device
		}
		if err := b.makePoint(device, info.IsDir()); err != nil {
			return err
		}
		if err := bind(device, b.root+device); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
		"stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"} {
		if err := os.Symlink(to, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	for _, m := range []struct{ name, kind, data string }{
		{"shm", "tmpfs", "mode=1777"}, {"pts", "devpts", "newinstance,ptmxmode=0666,mode=0620"}} {
		if err := os.Mkdir(filepath.Join(dev, m.name), 0o755); err != nil {
			return err
		}
		if err := mount(m.kind, filepath.Join(dev, m.name), m.kind, unix.MS_NOSUID|unix.MS_NODEV, m.data); err != nil {
			return err
		}
	}
	return nil
}

// addProc shows the host's own processes, and keeps the machine's settings from being changed by way of files.
func (b *rootBuilder) addProc() error {
	proc := b.root + "/proc"
	if err := mount("proc", proc, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	for _, name := range []string{"sys", "sysrq-trigger", "irq", "bus"} {
		target := filepath.Join(proc, name)
		if _, err := os.Stat(target); err != nil {
			continue // the kernel is built without it
		}
		if err := bind(target, target); err != nil {
			return err
		}
		if err := readOnly(target, false); err != nil {
			return err
		}
	}
	return nil
}

// addEtc gives the host its name, its peers and its number of processors.
func (b *rootBuilder) addEtc() error {
	files := map[string]string{"/etc/hosts": b.plan.HostsFile, "/etc/hostname": b.plan.Name + "\n", "/etc/resolv.conf": b.plan.ResolverFile}
	if b.plan.VCPUs > 0 {
		files["/sys/devices/system/cpu/online"] = processorList(b.plan.VCPUs)
	}
	own := b.root + "/run/mobula" // where these files are kept, so that the job folder is spared them
	if err := os.Mkdir(own, 0o755); err != nil {
		return err
	}
	for path, text := range files {
		target := b.resolve(path)
		if within(target, "/run") { // where resolv.conf's link points on many machines
			if err := os.MkdirAll(filepath.Dir(b.root+target), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(b.root+target, []byte(text), 0o644); err != nil {
				return err
			}
			continue
		}
		if _, err := os.Stat(b.root + target); errors.Is(err, fs.ErrNotExist) {
			continue // programs do without it on this machine, so they do in the host
		}
		source := filepath.Join(own, strings.ReplaceAll(strings.Trim(path, "/"), "/", "-"))
		if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
			return err
		}
		if err := bind(source, b.root+target); err != nil {
			return err
		}
	}
	return nil
}

// processorList is the kernel's form of "n processors": sysconf(_SC_NPROCESSORS_ONLN) and with it Python's os.cpu_count read it.
func processorList(n int) string {
	if n == 1 {
		return "0\n"
	}
	return fmt.Sprintf("0-%d\n", n-1)
}
