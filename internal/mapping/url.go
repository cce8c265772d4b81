package mapping

import (
	"net/netip"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v4"
)

// goodURL checks an address that gets a secret: it must be encrypted unless it never leaves this machine.
func goodURL(l *loader, n *yaml.Node, address string) {
	u, err := url.Parse(strings.ReplaceAll(address, "{id}", "id"))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		l.fail(spotOf(n), "", words("this is not an address such as https://example.com/api", "isto não é um endereço como https://exemplo.com.br/api"))
	case u.User != nil:
		l.fail(spotOf(n), "", words("an address may not contain a user or password: use auth", "um endereço não pode conter usuário ou senha: use auth"))
	case u.Scheme == "http" && !loopback(u.Hostname()):
		hint := ""
		if n.Value == address {
			hint = l.rewritten(spotOf(n), `"https`+strings.TrimPrefix(address, "http")+`"`)
		}
		l.fail(spotOf(n), hint, words("http is possible only on this machine: write https, so that nobody reads the token on the way", "http só é possível nesta máquina: escreva https, para que ninguém leia o token no caminho"))
	}
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
