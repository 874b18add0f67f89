// A server that speaks TLS and begins HTTP/2, for tests of the way to it.
//
//   TlsServer server(cert_pem, key_pem, client_ca_pem);
//   ProbeTls(… server.port() …);
//
// Thread safety: belongs to the test's thread; a thread of its own serves one connection after the
// other.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <thread>

#include "base/crypto/pem.h"
#include "base/process/fd.h"
#include "openssl/pem.h"
#include "openssl/ssl.h"

namespace entropyd::doctor {

class TlsServer {
 public:
  // `cert_pem` empty = it says in clear that it understands nothing.
  TlsServer(const std::string& cert_pem, const std::string& key_pem,
            const std::string& client_ca_pem) {
    listening_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listening_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listening_.get(), 8), 0);
    socklen_t size = sizeof address;
    getsockname(listening_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    if (!cert_pem.empty()) MakeContext(cert_pem, key_pem, client_ca_pem);
    thread_ = std::thread([this] { Serve(); });
  }
  ~TlsServer() {
    shutdown(listening_.get(), SHUT_RDWR);  // accept() returns
    thread_.join();
  }

  int port() const { return port_; }

 private:
  void MakeContext(const std::string& cert_pem, const std::string& key_pem,
                   const std::string& client_ca_pem) {
    context_.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_3_VERSION);
    const auto certs = tls::ReadCerts(cert_pem);
    const tls::BioPtr bio = tls::MemoryBio(key_pem);
    EVP_PKEY* const key = PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr);
    EXPECT_EQ(SSL_CTX_use_certificate(context_.get(), certs.at(0).get()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context_.get(), key), 1);
    EVP_PKEY_free(key);
    for (const auto& ca : tls::ReadCerts(client_ca_pem)) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), ca.get());
    }
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }

  void Serve() {
    while (true) {
      const UniqueFd peer(accept(listening_.get(), nullptr, nullptr));
      if (!peer) return;
      char byte;
      if (context_ == nullptr) {
        if (recv(peer.get(), &byte, 1, 0) > 0)
          (void)!send(peer.get(), "what?\r\n", 7, MSG_NOSIGNAL);
        shutdown(peer.get(), SHUT_WR);
        while (recv(peer.get(), &byte, 1, 0) > 0) {
        }
        continue;
      }
      SSL* const ssl = SSL_new(context_.get());
      SSL_set_fd(ssl, peer.get());
      // An empty SETTINGS frame: what a server of HTTP/2 says first.
      const unsigned char settings[9] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
      if (SSL_accept(ssl) == 1) SSL_write(ssl, settings, sizeof settings);
      // The peer has read what was said when it closes.
      while (recv(peer.get(), &byte, 1, 0) > 0) {
      }
      SSL_free(ssl);
    }
  }

  UniqueFd listening_;
  int port_ = 0;
  std::unique_ptr<SSL_CTX, tls::Deleter<SSL_CTX_free>> context_;
  std::thread thread_;
};

}  // namespace entropyd::doctor
