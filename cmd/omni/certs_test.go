package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// certs is an authority of a test and what it has signed, as flags.
type certs struct {
	server []string // a certificate for 127.0.0.1
	mutual []string // the same, and clients need one too
	trust  []string // a client that trusts the authority
	client []string // the same with a certificate
}

func newCerts(t *testing.T) certs {
	t.Helper()
	dir := t.TempDir()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name+".pem")
		check(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	var parent *x509.Certificate
	var parentKey *ecdsa.PrivateKey
	sign := func(name string, c *x509.Certificate) (cert, key string) {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		check(err)
		c.SerialNumber = big.NewInt(time.Now().UnixNano())
		c.Subject = pkix.Name{CommonName: name}
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		if parent == nil {
			parent, parentKey = c, private
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &private.PublicKey, parentKey)
		check(err)
		secret, err := x509.MarshalPKCS8PrivateKey(private)
		check(err)
		return write(name, "CERTIFICATE", der), write(name+"-key", "PRIVATE KEY", secret)
	}
	ca, _ := sign("authority", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	serverCert, serverKey := sign("server", &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	clientCert, clientKey := sign("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	trust := []string{"--tls-ca", ca}
	server := []string{"--tls-cert", serverCert, "--tls-key", serverKey}
	return certs{
		server: server, mutual: append(server[:4:4], trust...),
		trust: trust, client: append(trust[:2:2], "--tls-cert", clientCert, "--tls-key", clientKey),
	}
}
