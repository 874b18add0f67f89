#include "base/process/host_port.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(HostPortTest, TakesNamesAndAddressesOfBothFamilies) {
  for (const auto& [text, host, port] : {std::tuple{"localhost:1", "localhost", 1},
                                         {"127.0.0.1:0", "127.0.0.1", 0},
                                         {"[::1]:65535", "::1", 65535},
                                         {"[::]:7743", "::", 7743}}) {
    const absl::StatusOr<HostPort> parsed = ParseHostPort(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(parsed->host, host);
    EXPECT_EQ(parsed->port, port);
  }
}

TEST(HostPortTest, GuessesNothing) {
  for (const char* text : {"", "localhost", "127.0.0.1", ":7743", "h:", "h:x", "h:65536", "h:-1",
                           "::1:7743", "[::1]", "[::1:7743", "[localhost]:7743", "[]:1"}) {
    const absl::Status status = ParseHostPort(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(status.message(),
              absl::StrCat("'", text, "' is no address; write HOST:PORT or [IPV6]:PORT"));
  }
}

}  // namespace
}  // namespace entropyd
