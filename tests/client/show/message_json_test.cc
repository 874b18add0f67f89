#include "client/show/message_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "proto/admin.pb.h"
#include "proto/agent_admin.pb.h"

namespace entropyd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(MessageJsonTest, EveryFieldIsThereUnderItsProtoName) {
  v1::Source source;
  source.set_name("trng0");
  const std::string json = JsonOf(source);
  EXPECT_THAT(json, HasSubstr("{\"name\":\"trng0\""));
  EXPECT_THAT(json, HasSubstr("\"rct_failures\":0,"));
  EXPECT_THAT(json, HasSubstr("\"software\":false,"));
}

TEST(MessageJsonTest, NumbersAreNumbers) {
  v1::Source source;
  source.set_raw_bytes(std::numeric_limits<uint64_t>::max());
  source.set_raw_bytes_per_second(1022.6090333875644);
  source.set_credited_bits(6131);
  source.set_min_entropy_bits_per_byte(std::numeric_limits<double>::infinity());
  const std::string json = JsonOf(source);
  EXPECT_THAT(json, HasSubstr("\"raw_bytes\":18446744073709551615,"));
  EXPECT_THAT(json, HasSubstr("\"raw_bytes_per_second\":1022.6090333875644,"));
  EXPECT_THAT(json, HasSubstr("\"credited_bits\":6131,"));
  EXPECT_THAT(json, HasSubstr("\"min_entropy_bits_per_byte\":null,"));
}

TEST(MessageJsonTest, ListsAreInThePlural) {
  v1::ListSourcesResponse sources;
  EXPECT_EQ(JsonOf(sources), "{\"sources\":[]}");
  sources.add_source()->set_state(v1::SOURCE_STATE_HEALTHY);
  EXPECT_THAT(JsonOf(sources), HasSubstr("\"state\":\"SOURCE_STATE_HEALTHY\""));
  EXPECT_THAT(JsonOf(sources), HasSubstr("\"history\":[]"));
  EXPECT_EQ(JsonOf(sources), absl::StrCat("{\"sources\":", JsonListOf(sources), "}"));
  EXPECT_THAT(JsonOf(v1::ListClassesResponse()), HasSubstr("{\"classes\":[]"));
  v1::ReloadServerResponse reloaded;
  reloaded.add_needs_restart("listen");
  reloaded.add_change("class \"a\"");
  EXPECT_EQ(JsonOf(reloaded), "{\"needs_restart\":[\"listen\"],\"changes\":[\"class \\\"a\\\"\"]}");
}

TEST(MessageJsonTest, BytesAreHexadecimal) {
  v1::RecordSourceResponse recorded;
  recorded.set_samples(std::string("\0\xff", 2));
  EXPECT_EQ(JsonOf(recorded), "{\"samples\":\"00ff\"}");
}

TEST(MessageJsonTest, AMessageThatIsNotSetIsNotThere) {
  v1::AddGuestResponse added;
  EXPECT_EQ(JsonOf(added), "{}");
  added.mutable_socket()->set_name("vm");
  EXPECT_THAT(JsonOf(added), HasSubstr("{\"socket\":{\"name\":\"vm\""));
}

// What scripts rely on. Whoever changes it sees that here, and changes the document.
TEST(MessageJsonTest, TheDocumentListsEveryKeyOfEveryAnswer) {
  const std::pair<const char*, const google::protobuf::Descriptor*> kAnswers[] = {
      {"sources", v1::ListSourcesResponse::descriptor()},
      {"sources show, sources test, sources reset", v1::Source::descriptor()},
      {"self-test", v1::SelfTestResponse::descriptor()},
      {"pools", v1::ListPoolsResponse::descriptor()},
      {"classes", v1::ListClassesResponse::descriptor()},
      {"classes set", v1::SetClassResponse::descriptor()},
      {"classes reset", v1::ResetClassResponse::descriptor()},
      {"classes diff", v1::ListClassDifferencesResponse::descriptor()},
      {"agents", v1::ListAgentsResponse::descriptor()},
      {"reload", v1::ReloadServerResponse::descriptor()},
      {"drain", v1::DrainResponse::descriptor()},
      {"guests", v1::ListGuestsResponse::descriptor()},
      {"guests remove", v1::RemoveGuestResponse::descriptor()},
      {"agent reload", v1::ReloadResponse::descriptor()},
      {"agent upgrade", v1::UpgradeResponse::descriptor()},
      {"the agent in status and top", v1::GetStatusResponse::descriptor()},
  };
  std::string listed;
  for (const auto& [title, answer] : kAnswers) {
    absl::StrAppend(&listed, "\n## ", title, "\n\n");
    for (const std::string& key : JsonKeys(answer)) {
      const size_t colon = key.find(": ");
      absl::StrAppend(&listed, "* `", key.substr(0, colon), "`", key.substr(colon), "\n");
    }
  }
  std::ifstream file(ENTROPYD_JSON_DOCUMENT);
  std::string document{std::istreambuf_iterator<char>(file), {}};
  document = absl::StrReplaceAll(document, {{"\n  ", " "}});  // long lines are wrapped
  EXPECT_THAT(document, HasSubstr(listed)) << "the document has to end with this:\n" << listed;
}

}  // namespace
}  // namespace entropyd
