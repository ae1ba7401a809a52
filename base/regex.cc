// SPDX-License-Identifier: Apache-2.0
// RE2 behind a C interface: the program's one C++ file. The only exception there can be, no memory,
// ends the process as it does everywhere else.
extern "C" {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic" // C headers: compound literals
#include "base/err.h"
#pragma GCC diagnostic pop
}
#include "base/regex.h"

#include <re2/re2.h>

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/limits.h"

struct regex {
    regex(std::string text, const std::string &rewritten, const RE2::Options &options)
        : pattern(std::move(text)), program(rewritten, options)
    {
    }
    const std::string pattern;
    const RE2 program;
    size_t refs = 1; // guarded by the cache's lock
};

namespace
{

// Compiled programs by pattern. An entry holds no reference: the last unref takes it out.
struct cache {
    std::mutex lock;
    std::unordered_map<std::string, struct regex *> entries;
};

cache &the_cache()
{
    static cache *c = new cache; // never destroyed: threads may still run at exit
    return *c;
}

// The end of the character class that begins at p[at] == '['.
size_t class_end(const std::string &p, size_t at)
{
    size_t i = at + 1;
    i += i < p.size() && p[i] == '^';
    i += i < p.size() && p[i] == ']';
    while (i < p.size() && p[i] != ']') {
        if (p[i] == '\\') {
            i += 2;
        } else if (p[i] == '[' && i + 1 < p.size() && p[i + 1] == ':') {
            size_t end = p.find(":]", i + 2);
            i = end == std::string::npos ? i + 1 : end + 2;
        } else {
            i++;
        }
    }
    return i < p.size() ? i + 1 : p.size();
}

// The end of the piece that begins at p[at] and is not looked into: an escape, a quotation or a
// class; otherwise one byte.
size_t piece_end(const std::string &p, size_t at)
{
    if (p[at] == '[') {
        return class_end(p, at);
    }
    if (p[at] != '\\') {
        return at + 1;
    }
    if (p.compare(at, 2, "\\Q") == 0) {
        size_t end = p.find("\\E", at + 2);
        return end == std::string::npos ? p.size() : end + 2;
    }
    return at + 2 < p.size() ? at + 2 : p.size();
}

// (?<name>...) is Go's newer spelling of (?P<name>...); (?<= and (?<! stay, to be refused.
std::string rewrite_groups(const std::string &p)
{
    std::string out;
    for (size_t i = 0; i < p.size();) {
        bool group =
            p.compare(i, 3, "(?<") == 0 && i + 3 < p.size() && p[i + 3] != '=' && p[i + 3] != '!';
        if (group) {
            out += "(?P<";
            i += 3;
        } else {
            size_t end = piece_end(p, i);
            out.append(p, i, end - i);
            i = end;
        }
    }
    return out;
}

// What Go's regexp/syntax calls the error.
const char *go_words(RE2::ErrorCode code)
{
    switch (code) {
    case RE2::ErrorBadEscape:
        return "invalid escape sequence";
    case RE2::ErrorBadCharClass:
        return "invalid character class";
    case RE2::ErrorBadCharRange:
        return "invalid character class range";
    case RE2::ErrorMissingBracket:
        return "missing closing ]";
    case RE2::ErrorMissingParen:
        return "missing closing )";
    case RE2::ErrorUnexpectedParen:
        return "unexpected )";
    case RE2::ErrorTrailingBackslash:
        return "trailing backslash at end of expression";
    case RE2::ErrorRepeatArgument:
        return "missing argument to repetition operator";
    case RE2::ErrorRepeatSize:
        return "invalid repeat count";
    case RE2::ErrorRepeatOp:
        return "invalid nested repetition operator";
    case RE2::ErrorBadPerlOp:
        return "invalid or unsupported Perl syntax";
    case RE2::ErrorBadUTF8:
        return "invalid UTF-8";
    case RE2::ErrorBadNamedCapture:
        return "invalid named capture";
    case RE2::ErrorPatternTooLarge:
        return "expression too large";
    default:
        return "regexp/syntax: internal error";
    }
}

struct regex *cache_ref(const std::string &pattern)
{
    cache &c = the_cache();
    std::lock_guard<std::mutex> hold(c.lock);
    auto at = c.entries.find(pattern);
    if (at == c.entries.end()) {
        return nullptr;
    }
    at->second->refs++;
    return at->second;
}

// Puts a new program into the cache, or gives up on it for one that another thread was quicker
// with.
struct regex *cache_add(std::unique_ptr<struct regex> r)
{
    cache &c = the_cache();
    std::lock_guard<std::mutex> hold(c.lock);
    auto added = c.entries.emplace(r->pattern, r.get());
    if (added.second) {
        return r.release();
    }
    added.first->second->refs++;
    return added.first->second;
}

} // namespace

extern "C" int regex_create(struct str pattern, struct regex **ret, struct err *err)
{
    if (pattern.len > LIMIT_PATTERN_BYTES) {
        return err_set(err, ERR_BAD_REQUEST, "error parsing regexp: longer than %u bytes",
                       LIMIT_PATTERN_BYTES);
    }
    const std::string text(pattern.len ? pattern.ptr : "", pattern.len);
    struct regex *known = cache_ref(text);
    if (known) {
        *ret = known;
        return 0;
    }
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(LIMIT_REGEX_MEMORY);
    std::unique_ptr<struct regex> r(new struct regex(text, rewrite_groups(text), options));
    if (!r->program.ok()) {
        const std::string &arg = r->program.error_arg();
        return err_set(err, ERR_BAD_REQUEST, "error parsing regexp: %s: `%.*s`",
                       go_words(r->program.error_code()), static_cast<int>(arg.size()),
                       arg.c_str());
    }
    *ret = cache_add(std::move(r));
    return 0;
}

extern "C" void regex_unref(struct regex *r)
{
    if (!r) {
        return;
    }
    std::unique_ptr<struct regex> last; // released after the lock
    cache &c = the_cache();
    std::lock_guard<std::mutex> hold(c.lock);
    if (--r->refs == 0) {
        c.entries.erase(r->pattern);
        last.reset(r);
    }
}

extern "C" bool regex_search(const struct regex *r, struct str s)
{
    const re2::StringPiece text(s.len ? s.ptr : "", s.len);
    return r->program.Match(text, 0, text.size(), RE2::UNANCHORED, nullptr, 0);
}
