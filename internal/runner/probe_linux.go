package runner

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// namespaceURL is the platform as hosts see it.
var namespaceURL = fmt.Sprintf("http://%s:%d", gateway, platformPort)

const hostNamespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC

// namespaceAttributes starts a supervisor in a net namespace for the job's bridge, as root of a user namespace where it is not root.
func namespaceAttributes(userNamespace bool) func() *syscall.SysProcAttr {
	return func() *syscall.SysProcAttr {
		attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		if userNamespace {
			attr.Cloneflags |= syscall.CLONE_NEWUSER
			attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
			attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		}
		return attr
	}
}

// probeNamespaces runs tryNamespaces in the namespaces of a host.
func probeNamespaces(ctx context.Context, executable string, userNamespace bool) error {
	cmd := exec.CommandContext(ctx, executable, command, "probe")
	cmd.SysProcAttr = namespaceAttributes(userNamespace)()
	cmd.SysProcAttr.Cloneflags |= hostNamespaces
	said, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if text := strings.TrimSpace(string(said)); text != "" {
		err = fmt.Errorf("%s", text[strings.LastIndexByte(text, '\n')+1:])
	}
	if userNamespace {
		return fmt.Errorf("in a user namespace: %w", err)
	}
	return fmt.Errorf("as root: %w", err)
}

// tryNamespaces does once each kind of thing that a host needs: some systems let namespaces be made and then forbid to use them.
func tryNamespaces() error {
	if err := mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return err
	}
	root := "/proc" // exists everywhere, and nobody else sees what happens to it here
	if err := mount("proc", root, "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	if err := mount("tmpfs", "/tmp", "tmpfs", 0, "mode=755,size=1m"); err != nil {
		return err
	}
	if err := os.Mkdir("/tmp/sys", 0o755); err != nil {
		return err
	}
	if err := bind("/sys", "/tmp/sys"); err != nil {
		return err
	}
	if err := readOnly("/tmp", true); err != nil {
		return err
	}
	n, err := newNetwork(nil, "", nil)
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	n.close()
	return nil
}

// namespaceAdvice looks for the settings that are known to forbid namespaces.
func namespaceAdvice() []string {
	setting := func(name string) string {
		value, _ := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/")) // most kernels lack most of them
		return strings.TrimSpace(string(value))
	}
	var advice []string
	if setting("kernel.unprivileged_userns_clone") == "0" {
		advice = append(advice, "Allow user namespaces: sudo sysctl -w kernel.unprivileged_userns_clone=1")
	}
	if setting("kernel.apparmor_restrict_unprivileged_userns") == "1" {
		advice = append(advice, "Allow user namespaces under AppArmor (the default of Ubuntu 24.04 forbids them): sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or a profile with \"userns,\" for this program")
	}
	if setting("user.max_user_namespaces") == "0" {
		advice = append(advice, "Allow user namespaces: sudo sysctl -w user.max_user_namespaces=10000")
	}
	if len(advice) == 0 {
		advice = append(advice, "In a container: start it with --privileged, or with --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined")
	}
	return advice
}
