package runner

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"
)

// A host's file system is the machine's, read-only, in which some places are the host's own. It is made of bind mounts on a small
// tmpfs, in the host's mount namespace: the machine sees none of it, and the kernel takes it down with the host. Where the job has a root of
// its own, that is the lower layer of an overlay instead, whose upper one is in the host's folder.

// privateFolders are the host's own, by name of the folder in its Dir. They can be written to.
var privateFolders = []struct{ target, folder string }{{mlPath, "ml"}, {hostHome, "home"}, {"/tmp", "tmp"}, {"/var/tmp", "tmp"}}

// remade are not shown as the machine has them.
var remade = []string{"/proc", "/tmp", "/run", "/dev"}

// rootBuilder builds at root what becomes "/".
type rootBuilder struct {
	plan hostPlan
	root string
	// points are the places in the host that must exist before everything is read-only, true for folders.
	points map[string]bool
	// hidden are the places in the new root that look empty.
	hidden []string
}

// buildRoot ends with the process in the new root.
func buildRoot(plan hostPlan) error {
	b := &rootBuilder{plan: plan, root: filepath.Join(plan.Dir, "root"), points: map[string]bool{}}
	steps := []func() error{b.begin, b.showMachine, b.protect, b.addPrivate, b.addEtc, b.addDevices, b.addProc, b.hide, b.addMounts, b.seal, b.enter}
	if plan.Root != "" {
		steps = []func() error{b.begin, b.layer, b.addPrivate, b.addEtc, b.addDevices, b.addProc, b.addMounts, b.enter}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return &os.PathError{Op: "mount " + kind + source + " at", Path: target, Err: err}
	}
	return nil
}

// bind shows source at the existing target, with whatever is mounted below it.
func bind(source, target string) error {
	return mount(source, target, "", unix.MS_BIND|unix.MS_REC, "")
}

func (b *rootBuilder) begin() error {
	// Slave, so that what the machine unmounts does not stay busy because of a job.
	if err := mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return err
	}
	if err := b.mountRoot(); err != nil {
		return err
	}
	// The job folder is shown in the host as well; this keeps the new root from appearing inside itself.
	return mount("", b.root, "", unix.MS_UNBINDABLE, "")
}

func (b *rootBuilder) mountRoot() error {
	if b.plan.Root == "" {
		return mount("tmpfs", b.root, "tmpfs", 0, "mode=755,size=16m")
	}
	layer := filepath.Join(b.plan.Dir, "layer")
	options := "lowerdir=" + overlayPath(b.plan.Root)
	for _, name := range []string{"upperdir", "workdir"} {
		dir := filepath.Join(layer, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		options += "," + name + "=" + overlayPath(dir)
	}
	err := mount("overlay", b.root, "overlay", 0, options)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EINVAL) { // without root, overlays keep their own attributes where the user may
		err = mount("overlay", b.root, "overlay", 0, options+",userxattr")
	}
	return err
}

// overlayPath is a path among the options of an overlay.
func overlayPath(path string) string {
	return strings.NewReplacer(`\`, `\\`, ",", `\,`, ":", `\:`).Replace(path)
}

// layer makes what every host finds in a root that is not the machine's.
func (b *rootBuilder) layer() error {
	for _, dir := range append([]string{"/sys"}, remade...) {
		if err := os.MkdirAll(b.root+b.resolve(dir), 0o755); err != nil {
			return err
		}
	}
	if err := b.gatherPoints(); err != nil {
		return err
	}
	b.points[b.resolve("/etc/hostname")] = false
	if err := b.makePoints(); err != nil {
		return err
	}
	if err := bind("/sys", b.root+"/sys"); err != nil {
		return err
	}
	return readOnly(b.root+"/sys", true)
}

// showMachine fills the new root with the machine's, and makes the points that the machine lacks.
func (b *rootBuilder) showMachine() error {
	if err := b.gatherPoints(); err != nil {
		return err
	}
	if err := b.show("/"); err != nil {
		return err
	}
	return b.makePoints()
}

// gatherPoints finds the places that must exist.
func (b *rootBuilder) gatherPoints() error {
	for _, p := range privateFolders {
		b.points[b.resolve(p.target)] = true
	}
	for _, m := range b.plan.Mounts {
		info, err := os.Stat(m.Source)
		if err != nil {
			return err
		}
		if target := b.resolve(m.Target); !b.isPrivate(target) {
			b.points[target] = info.IsDir()
		}
	}
	b.points[b.resolve(hostExecutable)] = false
	b.points[b.resolve("/etc/hosts")] = false
	if target := b.resolve("/etc/resolv.conf"); !b.isPrivate(target) {
		b.points[target] = false
	}
	return nil
}

func (b *rootBuilder) makePoints() error {
	for point, folder := range b.points {
		if err := b.makePoint(point, folder); err != nil {
			return err
		}
	}
	return nil
}

// isPrivate tells whether target lies in a place that is mounted later, and where points can still be made.
func (b *rootBuilder) isPrivate(target string) bool {
	for _, p := range privateFolders {
		if within(target, b.resolve(p.target)) {
			return true
		}
	}
	return within(target, "/run") || within(target, "/dev")
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// show makes the machine's folder dir appear in the new root entry by entry. A folder that is to get points which the machine lacks
// is shown in the same way; all others, and there are few of the former, by one mount.
func (b *rootBuilder) show(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		target := b.root + path
		switch {
		case slices.Contains(remade, path):
			err = os.Mkdir(target, 0o755)
		case e.Type()&fs.ModeSymlink != 0:
			var to string
			if to, err = os.Readlink(path); err == nil {
				err = os.Symlink(to, target)
			}
		case e.IsDir() && b.lacks(path):
			if err = os.Mkdir(target, 0o755); err == nil {
				err = b.show(path)
			}
		case e.IsDir():
			if err = os.Mkdir(target, 0o755); err == nil {
				err = ignoreForbidden(bind(path, target))
			}
		case e.Type().IsRegular():
			if err = os.WriteFile(target, nil, 0o644); err == nil {
				err = ignoreForbidden(bind(path, target))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ignoreForbidden: what the user may not see on the machine looks empty in the host.
func ignoreForbidden(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// lacks tells whether a point lies below the machine's folder but does not exist there.
func (b *rootBuilder) lacks(folder string) bool {
	for point := range b.points {
		if _, err := os.Lstat(point); err != nil && strings.HasPrefix(point, folder+"/") {
			return true
		}
	}
	return false
}

// makePoint makes an empty file or folder to mount on, where there is none.
func (b *rootBuilder) makePoint(point string, folder bool) error {
	target := b.root + point
	if _, err := os.Lstat(target); err == nil {
		return nil
	}
	if folder {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return os.WriteFile(target, nil, 0o644)
}

func (b *rootBuilder) protect() error { return readOnly(b.root, true) }

// readOnly makes the mount at target read-only, with all below it where asked.
func readOnly(target string, below bool) error {
	flags := uint(0)
	if below {
		flags = unix.AT_RECURSIVE
	}
	err := unix.MountSetattr(unix.AT_FDCWD, target, flags, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	if errors.Is(err, unix.ENOSYS) { // before Linux 5.12: one by one, as far as the kernel lets us
		return readOnlyOneByOne(target, below)
	}
	if err != nil {
		return &os.PathError{Op: "make read-only", Path: target, Err: err}
	}
	return nil
}

func readOnlyOneByOne(target string, below bool) error {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 6 {
			continue
		}
		point := unescape.Replace(fields[4])
		if point != target && !(below && within(point, target)) {
			continue
		}
		flags := uintptr(unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY)
		for option := range strings.SplitSeq(fields[5], ",") {
			// An unprivileged remount must repeat the flags that the machine's owner set.
			flags |= map[string]uintptr{"nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
				"noatime": unix.MS_NOATIME, "nodiratime": unix.MS_NODIRATIME, "relatime": unix.MS_RELATIME}[option]
		}
		if err := unix.Mount("", point, "", flags, ""); err != nil && point == target {
			return &os.PathError{Op: "make read-only", Path: point, Err: err}
		}
	}
	return nil
}

func (b *rootBuilder) addPrivate() error {
	if err := mount("tmpfs", b.root+"/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=64m"); err != nil {
		return err
	}
	if err := os.Mkdir(b.root+"/run/lock", 0o755); err != nil {
		return err
	}
	for _, p := range privateFolders {
		if err := bind(filepath.Join(b.plan.Dir, p.folder), b.root+b.resolve(p.target)); err != nil {
			return err
		}
	}
	if err := bind(b.plan.Executable, b.root+b.resolve(hostExecutable)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // a server whose executable was deleted under it has none to show
	}
	for name, source := range b.plan.HomeFiles {
		target := filepath.Join(b.root+b.resolve(hostHome), name)
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		if err := ignoreForbidden(bind(source, target)); err != nil {
			return err
		}
		if err := readOnly(target, false); err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: it could not be shown
			return err
		}
	}
	return nil
}

// hide empties the folders that are none of a job's business.
func (b *rootBuilder) hide() error {
	for _, path := range b.plan.Hidden {
		target := b.root + b.resolve(path)
		if info, err := os.Stat(target); err != nil || !info.IsDir() {
			continue // it is not shown to begin with
		}
		if err := mount("tmpfs", target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=1m"); err != nil {
			return err
		}
		b.hidden = append(b.hidden, target)
	}
	return nil
}

// seal makes the hidden folders read-only, now that what the job may see of them is mounted.
func (b *rootBuilder) seal() error {
	for _, target := range b.hidden {
		if err := readOnly(target, false); err != nil {
			return err
		}
	}
	return nil
}

// addMounts shows what the job asked for, outer targets before inner ones.
func (b *rootBuilder) addMounts() error {
	mounts := slices.Clone(b.plan.Mounts)
	slices.SortStableFunc(mounts, func(x, y Mount) int { return cmp.Compare(strings.Count(x.Target, "/"), strings.Count(y.Target, "/")) })
	for _, m := range mounts {
		info, err := os.Stat(m.Source)
		if err != nil {
			return err
		}
		target := b.resolve(m.Target)
		if err := b.makePoint(target, info.IsDir()); err != nil {
			return fmt.Errorf("mount %s at %s: %w", m.Source, m.Target, err)
		}
		if err := bind(m.Source, b.root+target); err != nil {
			return err
		}
		if m.ReadOnly {
			if err := readOnly(b.root+target, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// enter makes the new root "/", and lets go of the old one.
func (b *rootBuilder) enter() error {
	if err := os.Chdir(b.root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil { // the old root lies on top of the new one
		return fmt.Errorf("unmount the old root: %w", err)
	}
	return os.Chdir("/")
}

// resolve follows the symbolic links of what becomes the root as far as path exists, so that the mount lands in the new root and not where
// an absolute link in it points.
func (b *rootBuilder) resolve(path string) string {
	if b.plan.Root != "" {
		in, err := securejoin.SecureJoin(b.plan.Root, path)
		if err != nil { // links that lead in circles
			return filepath.Clean(path)
		}
		return "/" + strings.TrimPrefix(strings.TrimPrefix(in, filepath.Clean(b.plan.Root)), "/")
	}
	rest := ""
	for prefix := filepath.Clean(path); ; prefix = filepath.Dir(prefix) {
		if real, err := filepath.EvalSymlinks(prefix); err == nil {
			return filepath.Join(real, rest)
		}
		if prefix == "/" {
			return filepath.Clean(path)
		}
		rest = filepath.Join(filepath.Base(prefix), rest)
	}
}
