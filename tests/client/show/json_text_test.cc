#include "client/show/json_text.h"

#include <limits>

#include "gtest/gtest.h"

namespace entropyd {
namespace {

TEST(JsonTextTest, StringsAreEscaped) {
  EXPECT_EQ(JsonString("a\"b\\c\n\t\x01"), "\"a\\\"b\\\\c\\n\\t\\u0001\"");
}

TEST(JsonTextTest, WhatATerminalWouldObeyIsEscaped) {
  EXPECT_EQ(JsonString("\x7f\xc2\x9bö\u202e"), "\"\\u007f\\u009bö\\u202e\"");
}

TEST(JsonTextTest, WhatIsNoUtf8IsReplaced) {
  EXPECT_EQ(JsonString("a\xff\xc3\xb6"), "\"a\xef\xbf\xbd\xc3\xb6\"");
}

TEST(JsonTextTest, ObjectsKeepTheOrderOfTheirKeys) {
  JsonObject json;
  json.Set("n", uint64_t{7}).Set("s", "x").Set("b", true).SetRaw("a", JsonArray({"1", "2"}));
  EXPECT_EQ(json.ToString(), "{\"n\":7,\"s\":\"x\",\"b\":true,\"a\":[1,2]}");
}

TEST(JsonTextTest, WhatIsNoNumberIsNull) {
  JsonObject json;
  json.Set("x", std::numeric_limits<double>::infinity());
  EXPECT_EQ(json.ToString(), "{\"x\":null}");
}

}  // namespace
}  // namespace entropyd
