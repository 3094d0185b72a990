package runner

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// resolverFile is every host's /etc/resolv.conf where there is a server to bring connections to.
const resolverFile = "nameserver " + gateway + "\n"

// nameTTL is how long programs may keep an address, in seconds. It never changes while the job runs.
const nameTTL = 300

// maxQuery is more than any question for a name takes.
const maxQuery = 4096

// answerNames is the name server of the job's hosts, until the connection is closed.
func (n *network) answerNames(conn net.PacketConn) {
	query := make([]byte, maxQuery)
	for {
		size, from, err := conn.ReadFrom(query)
		if err != nil {
			return
		}
		if answer, err := answerName(query[:size], n.hosts); err == nil {
			_, _ = conn.WriteTo(answer, from) // who misses the answer asks again
		}
	}
}

// answerName answers one question in the form of RFC 1035.
func answerName(query []byte, hosts int) ([]byte, error) {
	var p dnsmessage.Parser
	asked, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	if asked.Response {
		return nil, fmt.Errorf("an answer was sent as a question")
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	address, known := addressOf(strings.ToLower(strings.TrimSuffix(q.Name.String(), ".")), hosts)
	header := dnsmessage.Header{ID: asked.ID, Response: true, OpCode: asked.OpCode, RecursionDesired: asked.RecursionDesired, RecursionAvailable: true}
	switch {
	case asked.OpCode != 0:
		header.RCode = dnsmessage.RCodeNotImplemented
	case !known:
		header.RCode = dnsmessage.RCodeNameError
	}
	b := dnsmessage.NewBuilder(nil, header)
	b.EnableCompression()
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	if err := b.Question(q); err != nil {
		return nil, err
	}
	if err := b.StartAnswers(); err != nil {
		return nil, err
	}
	// Of every other type, such as AAAA, a name has nothing, and the empty answer says so.
	if header.RCode == dnsmessage.RCodeSuccess && q.Type == dnsmessage.TypeA && q.Class == dnsmessage.ClassINET {
		err := b.AResource(dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: nameTTL}, dnsmessage.AResource{A: address.As4()})
		if err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

// addressOf finds where a name leads in a job: to a host of it, or to the gateway, which brings connections to the world outside.
func addressOf(name string, hosts int) (address netip.Addr, known bool) {
	toGateway := netip.MustParseAddr(gateway)
	if n, ok := strings.CutPrefix(name, "algo-"); ok && !strings.Contains(n, ".") {
		number, err := strconv.Atoi(n)
		if err != nil || number < 1 || number > hosts || n != strconv.Itoa(number) {
			return address, false
		}
		return netip.MustParseAddr(hostAddress(number)), true
	}
	switch {
	case name == "localhost" || strings.HasSuffix(name, ".localhost"):
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	case name == "" || strings.HasSuffix(name, ".invalid") || strings.HasSuffix(name, ".arpa"):
		return address, false
	}
	return toGateway, true
}
