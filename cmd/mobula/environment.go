package main

import (
	"cmp"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/gateway"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/server"
)

// harmless are the settings of AWS's clients that a user keeps: they name no credentials, no account and no address.
var harmless = []string{"AWS_DEFAULT_OUTPUT", "AWS_PAGER", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE", "AWS_CLI_AUTO_PROMPT", "AWS_CLI_FILE_ENCODING"}

// clientEnvironment is the environment in which every AWS client uses the server: environ without anything by which a client would find other
// credentials or addresses, and with the server's. bundle is the file of certificates to trust.
func clientEnvironment(environ []string, data, bundle string, a server.Address, c identity.Credentials) map[string]string {
	env := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "AWS_") || slices.Contains(harmless, name) {
			env[name] = value
		}
	}
	for _, name := range gateway.BundleVariables {
		env[name] = bundle
	}
	// A client that was given nothing else goes on looking: into the user's files, and on the addresses where clouds hand out credentials.
	maps.Copy(env, map[string]string{"AWS_ENDPOINT_URL": a.URL, "AWS_REGION": a.Region, "AWS_DEFAULT_REGION": a.Region,
		"AWS_ACCESS_KEY_ID": c.AccessKeyID, "AWS_SECRET_ACCESS_KEY": c.SecretAccessKey,
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true", "MOBULA_DATA": data})
	direct := cmp.Or(env["no_proxy"], env["NO_PROXY"])
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		env[name], env[strings.ToLower(name)] = a.Proxy, a.Proxy
	}
	env["NO_PROXY"] = withoutProxy(direct, a.URL)
	env["no_proxy"] = env["NO_PROXY"]
	return env
}

// withoutProxy lists the hosts to reach directly: this machine, and what the user has in the list but names of AWS's.
func withoutProxy(listed, serverURL string) string {
	hosts := []string{"localhost"}
	if u, err := url.Parse(serverURL); err == nil {
		hosts = append(hosts, u.Hostname())
	}
	if addresses, err := net.InterfaceAddrs(); err == nil { // what serves on this machine, such as Ray, is reached by these too
		for _, a := range addresses {
			if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLinkLocalUnicast() {
				hosts = append(hosts, ip.IP.String())
			}
		}
	}
	for host := range strings.SplitSeq(listed, ",") {
		host = strings.TrimSpace(host)
		name := strings.ToLower(host)
		if name != "" && name != "*" && !strings.Contains(name, "amazonaws") && !strings.HasSuffix(name, "api.aws") {
			hosts = append(hosts, host)
		}
	}
	slices.Sort(hosts)
	return strings.Join(slices.Compact(hosts), ",")
}

// writeBundle makes a file of the certificates that the server's bundle has and those that this environment trusts besides.
func writeBundle(data string) (path string, remove func(), err error) {
	text, err := gateway.Bundle(server.GatewayDir(data), os.Getenv)
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "mobula-exec-")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, "bundle.pem")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		os.RemoveAll(dir)
		return "", nil, err
	}
	return path, func() { os.RemoveAll(dir) }, nil
}

// list gives an environment as a process takes it.
func list(env map[string]string) (entries []string) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		entries = append(entries, name+"="+env[name])
	}
	return entries
}
