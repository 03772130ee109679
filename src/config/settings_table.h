// Walks over every setting of settings.def with its name, limits, unit and meaning. What reads, prints, explains and
// compares settings is written with this, so none of them can forget one.
#pragma once

#include <string>
#include <vector>

#include "config/setting_values.h"
#include "config/settings.h"

namespace trellis {

enum class OnResume {
  fixed,    // another value would make it another run: a resume refuses it
  noticed,  // may change at a resume, which prints both values
  free,     // may change silently
};

struct SettingInfo {
  std::string section;        // "train"
  std::string section_title;  // "the run"
  std::string key;            // "train.lanes"
  Limits limits;
  std::string unit;  // "lanes"; empty for plain numbers and words
  OnResume on_resume;
  std::string meaning;
};

// Calls visit(info, field) for each setting in the order of settings.def; `field` is a reference into `settings`, const
// when `settings` is.
template <class S, class Visit>
void for_each_setting(S& settings, Visit&& visit) {
  using namespace limits;
#define SECTION(Type, name, title)             \
  {                                            \
    auto& fields_of_section = settings.name;   \
    const std::string name_of_section = #name; \
    const std::string title_of_section = title;
#define SETTING(type, name, default_value, limits, unit, on_resume, meaning)                                           \
  visit(SettingInfo{name_of_section, title_of_section, name_of_section + "." #name, limits, unit, OnResume::on_resume, \
                    meaning},                                                                                          \
        fields_of_section.name);
#define END_SECTION(Type) }
#include "config/settings.def"
#undef SECTION
#undef SETTING
#undef END_SECTION
}

// All keys, "model.levels" and so on, in order.
std::vector<std::string> setting_keys();

}  // namespace trellis
