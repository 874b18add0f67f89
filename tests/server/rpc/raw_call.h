// A peer that speaks HTTP/2 by itself, and so sends headers that no client of gRPC's sends.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/process/fd.h"
#include "gtest/gtest.h"
#include "openssl/err.h"
#include "openssl/ssl.h"

namespace entropyd {

class RawPeer {
 public:
  // Files of a certificate and its key.
  RawPeer(int port, const std::string& cert, const std::string& key)
      : context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free),
        ssl_(nullptr, &SSL_free),
        socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    EXPECT_EQ(SSL_CTX_use_certificate_chain_file(context_.get(), cert.c_str()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context_.get(), key.c_str(), SSL_FILETYPE_PEM), 1);
    const uint8_t h2[] = {2, 'h', '2'};
    EXPECT_EQ(SSL_CTX_set_alpn_protos(context_.get(), h2, sizeof h2), 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const timeval patience = {20, 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), socket_.get());
    EXPECT_EQ(SSL_connect(ssl_.get()), 1);
    // The server may have refused us by now.
    const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(kSettings, 0, 0, "");
    signal(SIGPIPE, SIG_IGN);
    SSL_write(ssl_.get(), preface.data(), static_cast<int>(preface.size()));
  }

  // Waits for the end of a connection on which the server says nothing but why it ends. Returns the
  // alert (RFC 8446, section 6); 0 = it has said something, or no alert came.
  int AwaitAlert() {
    ERR_clear_error();
    if (!Receive(1).empty()) return 0;
    const unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET : 0;
  }

  using Headers = std::vector<std::pair<std::string, std::string>>;

  // Begins a call, and ends its side of it. True when the server has answered to its end.
  bool Call(const std::string& path, const Headers& more) {
    Headers headers = {{":method", "POST"}, {":scheme", "https"},
                       {":path", path},     {":authority", "localhost"},
                       {"te", "trailers"},  {"content-type", "application/grpc"}};
    headers.insert(headers.end(), more.begin(), more.end());
    std::string block;
    for (const auto& [name, value] : headers) block += '\x10' + Text(name) + Text(value);
    Send(Frame(kHeaders, kEndStream | kEndHeaders, 1, block));
    while (true) {
      const std::string head = Receive(9);
      if (head.size() < 9) return false;
      const size_t length = static_cast<uint8_t>(head[0]) << 16 |
                            static_cast<uint8_t>(head[1]) << 8 | static_cast<uint8_t>(head[2]);
      if (Receive(length).size() < length) return false;
      const bool answer = head[8] == 1 && (head[3] == kHeaders || head[3] == kData);
      if (answer && (head[4] & kEndStream) != 0) return true;
    }
  }

  // Waits until the server has closed the connection.
  bool Ends() {
    while (!Receive(1).empty()) {
    }
    char byte = 0;
    return recv(socket_.get(), &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
  }

 private:
  // RFC 9113, section 6.
  static constexpr uint8_t kData = 0, kHeaders = 1, kSettings = 4;
  static constexpr uint8_t kEndStream = 1, kEndHeaders = 4;

  static std::string Frame(uint8_t type, uint8_t flags, uint8_t stream,
                           const std::string& payload) {
    const auto byte = [](size_t value) { return static_cast<char>(value & 0xff); };
    const size_t n = payload.size();
    const std::string length = {byte(n >> 16), byte(n >> 8), byte(n)};
    return length + byte(type) + byte(flags) + std::string(3, '\0') + byte(stream) + payload;
  }
  // RFC 7541, section 5.2, up to 126 bytes.
  static std::string Text(const std::string& text) {
    EXPECT_LT(text.size(), 127u);
    return static_cast<char>(text.size()) + text;
  }
  void Send(const std::string& bytes) {
    EXPECT_EQ(SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())),
              static_cast<int>(bytes.size()));
  }
  std::string Receive(size_t n) {
    std::string bytes(n, '\0');
    size_t got = 0;
    while (got < n) {
      const int more = SSL_read(ssl_.get(), bytes.data() + got, static_cast<int>(n - got));
      if (more <= 0) break;
      got += static_cast<size_t>(more);
    }
    bytes.resize(got);
    return bytes;
  }

  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  const UniqueFd socket_;
};

}  // namespace entropyd
