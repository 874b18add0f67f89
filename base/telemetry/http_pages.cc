#include "base/telemetry/http_pages.h"

#include <string.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "httplib.h"

namespace entropyd {
namespace {

// A socket for httplib: the request is in memory, and so is the reply.
class MemoryStream final : public httplib::Stream {
 public:
  explicit MemoryStream(absl::string_view request) : request_(request) {}

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    const size_t n = std::min(size, request_.size());
    memcpy(to, request_.data(), n);
    request_.remove_prefix(n);
    return static_cast<ssize_t>(n);
  }
  ssize_t write(const char* from, size_t size) override {
    reply_.append(from, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  // httplib refuses numbers for which select() has no room. Here it has nothing to select.
  socket_t socket() const override { return 0; }

  std::string TakeReply() { return std::move(reply_); }

 private:
  absl::string_view request_;
  std::string reply_;
};

}  // namespace

class HttpPages::Library final : public httplib::Server {
 public:
  // The library sees the first line alone. No page depends on a header, and what the library makes
  // of one (Range: would repeat the page once for each of thousands of ranges) is a way in.
  std::string Answer(absl::string_view head) {
    const std::string line = absl::StrCat(head.substr(0, head.find("\r\n")), "\r\n\r\n");
    MemoryStream stream(line);
    bool closed = false;
    if (!process_request(stream, /*close_connection=*/true, closed, nullptr)) return "";
    return stream.TakeReply();
  }
};

HttpPages::HttpPages(const std::map<std::string, Page>& pages)
    : library_(std::make_unique<Library>()) {
  for (const auto& [path, page] : pages) {
    library_->Get(path, [page = page](const httplib::Request&, httplib::Response& response) {
      const HttpReply reply = page();
      response.status = reply.status;
      response.set_content(reply.body, reply.type);
    });
  }
  library_->set_pre_routing_handler(
      [](const httplib::Request& request, httplib::Response& response) {
        if (request.method == "GET" || request.method == "HEAD") {
          return httplib::Server::HandlerResponse::Unhandled;
        }
        response.status = 405;
        response.set_header("Allow", "GET, HEAD");
        response.set_content("only GET and HEAD\n", kHttpText);
        return httplib::Server::HandlerResponse::Handled;
      });
  library_->set_error_handler([](const httplib::Request&, httplib::Response& response) {
    if (response.status == 404) response.set_content("not here; see /\n", kHttpText);
  });
}

HttpPages::~HttpPages() = default;

std::string HttpPages::Answer(absl::string_view head) const { return library_->Answer(head); }

std::string HttpPages::Unavailable(absl::string_view why) {
  const std::string body = absl::StrCat(why, "\n");
  return absl::StrCat("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: ",
                      kHttpText, "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

absl::string_view HttpPages::PathOf(absl::string_view head) {
  head = head.substr(0, head.find('\r'));
  const size_t method = head.find(' ');
  if (method == absl::string_view::npos) return "";
  head.remove_prefix(method + 1);
  return head.substr(0, head.find_first_of(" ?"));
}

}  // namespace entropyd
