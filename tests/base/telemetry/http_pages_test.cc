#include "base/telemetry/http_pages.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class HttpPagesTest : public ::testing::Test {
 protected:
  HttpPages pages_{{{"/healthz",
                     [] {
                       return HttpReply{200, kHttpText, "ok\n"};
                     }},
                    {"/readyz", [] {
                       return HttpReply{503, kHttpText, "no pool\n"};
                     }}}};
};

TEST_F(HttpPagesTest, APageIsFoundByItsPath) {
  const std::string reply = pages_.Answer("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(reply, HasSubstr("Content-Type: text/plain; charset=utf-8\r\n"));
  EXPECT_THAT(reply, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(reply, EndsWith("\r\n\r\nok\n"));
  EXPECT_THAT(pages_.Answer("GET /readyz HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(pages_.Answer("GET /healthz?x=1 HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpPagesTest, HeadHasTheSameHeadAndNoBody) {
  const std::string reply = pages_.Answer("HEAD /healthz HTTP/1.1\r\n\r\n");
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(reply, EndsWith("\r\n\r\n"));
}

TEST_F(HttpPagesTest, WhatHasNoPageIsRefused) {
  EXPECT_THAT(pages_.Answer("GET /etc/passwd HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(pages_.Answer("POST /healthz HTTP/1.1\r\nContent-Length: 5\r\n\r\n"),
              StartsWith("HTTP/1.1 405 "));
  for (const char* garbage : {"\r\n\r\n", "GET\r\n\r\n", "GET /healthz\r\n\r\n",
                              "\x16\x03\x01\r\n\r\n", "GET /healthz HTTP/9.9\r\n\r\n"}) {
    const std::string reply = pages_.Answer(garbage);
    EXPECT_TRUE(reply.empty() || reply.find("200 OK") == std::string::npos) << reply;
  }
}

TEST_F(HttpPagesTest, NoHeaderMakesAReplyLonger) {
  std::string ranges = "Range: bytes=-";
  for (int i = 0; i < 2000; ++i) ranges += ",-";
  for (const std::string& header :
       {ranges, std::string("Range: bytes=0-0"), std::string("Accept-Encoding: gzip, br"),
        std::string("Content-Length: 99999999"), std::string("Expect: 100-continue")}) {
    EXPECT_EQ(pages_.Answer("GET /healthz HTTP/1.1\r\n" + header + "\r\n\r\n"),
              pages_.Answer("GET /healthz HTTP/1.1\r\n\r\n"))
        << header.substr(0, 40);
  }
}

TEST_F(HttpPagesTest, ThePathOfAHeadIsSeenWithoutTheLibrary) {
  EXPECT_EQ(HttpPages::PathOf("GET /healthz HTTP/1.1\r\n\r\n"), "/healthz");
  EXPECT_EQ(HttpPages::PathOf("HEAD /readyz?verbose HTTP/1.1\r\nHost: x\r\n\r\n"), "/readyz");
  EXPECT_EQ(HttpPages::PathOf("GET /x\r\n\r\n"), "/x");
  for (const char* none : {"", "\r\n\r\n", "GET\r\n/healthz \r\n\r\n"}) {
    EXPECT_EQ(HttpPages::PathOf(none), "") << none;
  }
}

TEST_F(HttpPagesTest, AnOverloadedServerTellsWhyInHttp) {
  EXPECT_EQ(HttpPages::Unavailable("shutting down"),
            "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n\r\nshutting down\n");
}

}  // namespace
}  // namespace entropyd
