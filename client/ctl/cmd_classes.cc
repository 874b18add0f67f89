// `entropyctl classes set|reset|diff`: an operator changes classes while the server runs.
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text/names.h"
#include "client/admin_client.h"
#include "client/ctl/command_status.h"
#include "client/ctl/commands.h"
#include "client/ctl/figure_arguments.h"
#include "client/show/message_json.h"
#include "client/show/output.h"
#include "client/show/tables.h"

namespace entropyd {
namespace {

constexpr char kForgotten[] =
    "The server has no state_dir, so its next start returns to server.yaml.\n";

}  // namespace

int RunClassesSet(const ClientFlags& flags, const ClassChangeOptions& options, bool json) {
  const auto name = SplitPoolClass(options.pool_class);
  if (!name.ok()) return Fail(name.status());
  const auto figures = ParseFigureArguments(options.figures);
  if (!figures.ok()) return Fail(figures.status());
  const auto admin = DialAdmin(flags);
  if (!admin.ok()) return Fail(admin.status());
  v1::SetClassRequest request;
  request.set_pool(name->first);
  request.set_class_(name->second);
  *request.mutable_set() = *figures;
  request.set_dry_run(options.dry_run);
  const auto answer = (*admin)->SetClass(request);
  if (!answer.ok()) return FailServer(answer.status());
  if (json) {
    PrintJson(JsonOf(*answer));
    return kExitOk;
  }
  if (options.dry_run) Print("Nothing was changed; this would be in force:\n");
  if (answer->difference().empty()) {
    Print(absl::StrCat(options.pool_class, " is as server.yaml says\n"));
  } else {
    Print(DifferencesTable(answer->difference(), ScreenColumns()));
  }
  if (!answer->kept()) Print(kForgotten);
  return kExitOk;
}

int RunClassesReset(const ClientFlags& flags, const ClassChangeOptions& options, bool json) {
  v1::ResetClassRequest request;
  if (!options.pool_class.empty()) {
    const auto name = SplitPoolClass(options.pool_class);
    if (!name.ok()) return Fail(name.status());
    request.set_pool(name->first);
    request.set_class_(name->second);
  }
  const auto admin = DialAdmin(flags);
  if (!admin.ok()) return Fail(admin.status());
  const auto answer = (*admin)->ResetClass(request);
  if (!answer.ok()) return FailServer(answer.status());
  if (json) {
    PrintJson(JsonOf(*answer));
  } else if (answer->undone().empty()) {
    Print("there was nothing to reset\n");
  } else {
    std::set<std::string> classes;
    for (const v1::ClassDifference& one : answer->undone()) {
      classes.insert(absl::StrCat(one.pool(), "/", one.class_()));
    }
    Print(absl::StrCat(
        OneLine(absl::StrCat(classes.size(), classes.size() == 1 ? " class is" : " classes are",
                             " as server.yaml says again: ", absl::StrJoin(classes, ", "))),
        "\n", DifferencesTable(answer->undone(), ScreenColumns(), /*undone=*/true)));
  }
  return kExitOk;
}

int RunClassesDiff(const ClientFlags& flags, bool json) {
  const auto admin = DialAdmin(flags);
  if (!admin.ok()) return Fail(admin.status());
  const auto answer = (*admin)->ListClassDifferences();
  if (!answer.ok()) return FailServer(answer.status());
  if (json) {
    PrintJson(JsonOf(*answer));
    return kExitOk;
  }
  if (answer->difference().empty()) {
    Print("no difference: every class is as server.yaml says\n");
    return kExitOk;
  }
  Print(DifferencesTable(answer->difference(), ScreenColumns()));
  if (!answer->kept()) Print(kForgotten);
  return kExitOk;
}

}  // namespace entropyd
