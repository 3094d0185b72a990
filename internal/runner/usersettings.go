package runner

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// standardPath is appended to the server's PATH, which may be short under a service manager.
const standardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// userEnvironment picks what hosts inherit of the server's environment: where programs are, and where the user's package
// indexes and certificates are. Nothing else crosses: a job's environment is the same whoever started the server.
func userEnvironment(environ []string) map[string]string {
	picked := map[string]string{}
	path := standardPath
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if name == "PATH" && value != "" {
			path = mergePath(value, standardPath)
		}
		if isIndexSetting(name) {
			picked[name] = value
		}
	}
	picked["PATH"] = path
	return picked
}

// isIndexSetting knows the settings that say from where and how packages come. Those that say where they go to, or where
// caches lie, name places a host cannot write.
func isIndexSetting(name string) bool {
	switch name {
	case "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE":
		return true
	}
	if !strings.HasPrefix(name, "PIP_") && !strings.HasPrefix(name, "UV_") {
		return false
	}
	for _, place := range []string{"_DIR", "_TARGET", "_PREFIX", "_ROOT", "_ENVIRONMENT", "_USER", "_LOG", "_SRC", "_PYTHON"} {
		if strings.HasSuffix(name, place) {
			return false
		}
	}
	return true
}

func mergePath(first, second string) string {
	var dirs []string
	for _, dir := range strings.Split(first+":"+second, ":") {
		if filepath.IsAbs(dir) && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return strings.Join(dirs, ":")
}

// homeFiles finds the user's pip and uv settings, by their path below the home folder.
func homeFiles() map[string]string {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil // a server without a home has no settings in it
	}
	found := map[string]string{}
	for _, name := range []string{".config/pip", ".pip", ".config/uv"} {
		if path, err := filepath.EvalSymlinks(filepath.Join(home, name)); err == nil {
			found[name] = path
		}
	}
	return found
}
