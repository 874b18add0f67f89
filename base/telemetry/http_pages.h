// Makes the reply to one HTTP request, from text to text.
//
//   HttpPages pages({{"/healthz", [] { return HttpReply{200, "text/plain", "ok\n"}; }}});
//   send(socket, pages.Answer("GET /healthz HTTP/1.1\r\n\r\n"));
//
// Only http_pages.cc includes cpp-httplib, which reads the request and writes the reply. It sees no
// socket, and has no thread.
//
// Errors: HTTP's own: 400, 404, 405. An empty answer = this is no HTTP; close the connection.
//
// Thread safety: safe. Pages run on the thread that asks.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace entropyd {

inline constexpr char kHttpText[] = "text/plain; charset=utf-8";
inline constexpr char kHttpMetrics[] = "text/plain; version=0.0.4";

struct HttpReply {
  int status = 200;
  std::string type;
  std::string body;
};

class HttpPages {
 public:
  using Page = std::function<HttpReply()>;

  // By path.
  explicit HttpPages(const std::map<std::string, Page>& pages);
  ~HttpPages();

  // `head` is a request up to and with its empty line. There is no body: only GET and HEAD have a
  // page.
  std::string Answer(absl::string_view head) const;

  // What an overloaded or ending server says without looking at the request.
  static std::string Unavailable(absl::string_view why);
  // The path that a head asks for, without a query; "" = none is seen.
  static absl::string_view PathOf(absl::string_view head);

 private:
  class Library;
  const std::unique_ptr<Library> library_;
};

}  // namespace entropyd
