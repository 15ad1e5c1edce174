/* Calls a C++ candidate's function with JSON arguments from standard input and writes its result as JSON to RESULT.
 *
 * programs.py puts this behind the candidate's code, followed by `int main() { return judged::run(&Solution::name); }`:
 * the compiler finds the parameters' types. A type that is not known here does not compile; the judge then says that
 * it cannot call the function. It runs in the candidate's process: it is not a boundary.
 */
namespace judged {

enum { LONGEST_LIST = 10000000 }; /* RESULT comes from protocol.py */

[[noreturn]] inline void refuse(const char *what)
{
    std::fprintf(stderr, "the arguments do not fit the function: %s\n", what);
    std::_Exit(1);
}

struct Reader {
    std::string text;
    size_t at = 0;

    char peek()
    {
        while (at < text.size() && std::strchr(" \t\r\n", text[at]))
            at++;
        return at < text.size() ? text[at] : '\0';
    }
    bool take(char wanted)
    {
        if (peek() != wanted)
            return false;
        at++;
        return true;
    }
    void expect(char wanted, const char *what)
    {
        if (!take(wanted))
            refuse(what);
    }
    bool take_word(const char *word)
    {
        peek();
        if (text.compare(at, std::strlen(word), word) != 0)
            return false;
        at += std::strlen(word);
        return true;
    }
    std::string number()
    {
        peek();
        size_t start = at;
        while (at < text.size() && std::strchr("+-0123456789.eE", text[at]))
            at++;
        if (at == start)
            refuse("a number is expected");
        return text.substr(start, at - start);
    }
    unsigned hex()
    {
        unsigned code = 0;
        for (int i = 0; i < 4 && at < text.size(); i++)
            code = code * 16 + (unsigned)std::stoi(std::string(1, text[at++]), nullptr, 16);
        return code;
    }
    static void append_utf8(std::string &out, unsigned code)
    {
        if (code < 0x80) {
            out += (char)code;
            return;
        }
        int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        out += (char)((more == 1 ? 0xC0 : more == 2 ? 0xE0 : 0xF0) | code >> 6 * more);
        while (more-- > 0)
            out += (char)(0x80 | (code >> 6 * more & 0x3F));
    }
    std::string string()
    {
        std::string out;
        expect('"', "a text is expected");
        while (at < text.size() && text[at] != '"') {
            char now = text[at++];
            if (now != '\\') {
                out += now;
                continue;
            }
            now = text[at++];
            const char *from = "bfnrt", *to = "\b\f\n\r\t", *found = std::strchr(from, now);
            if (now == 'u') {
                unsigned code = hex();
                if (code >= 0xD800 && code < 0xDC00 && text.compare(at, 2, "\\u") == 0) {
                    at += 2;
                    code = 0x10000 + ((code - 0xD800) << 10) + (hex() - 0xDC00);
                }
                append_utf8(out, code);
            } else {
                out += found ? to[found - from] : now;
            }
        }
        at++;
        return out;
    }
};

inline void write_text(std::string &out, const std::string &value)
{
    char code[8];
    out += '"';
    for (unsigned char letter : value) {
        if (letter == '"' || letter == '\\') {
            out += '\\';
            out += (char)letter;
        } else if (letter < 0x20) {
            std::snprintf(code, sizeof code, "\\u%04x", letter);
            out += code;
        } else {
            out += (char)letter;
        }
    }
    out += '"';
}

template <class T, class = void> struct Value;

template <> struct Value<bool> {
    static bool read(Reader &in)
    {
        if (in.take_word("true"))
            return true;
        if (!in.take_word("false"))
            refuse("true or false is expected");
        return false;
    }
    static void write(std::string &out, bool value) { out += value ? "true" : "false"; }
};

template <> struct Value<std::string> {
    static std::string read(Reader &in) { return in.string(); }
    static void write(std::string &out, const std::string &value) { write_text(out, value); }
};

template <> struct Value<char> {
    static char read(Reader &in)
    {
        std::string text = in.string();
        if (text.size() != 1)
            refuse("one letter is expected");
        return text[0];
    }
    static void write(std::string &out, char value) { write_text(out, std::string(1, value)); }
};

template <class T> struct Value<T, std::enable_if_t<std::is_integral_v<T>>> {
    static T read(Reader &in)
    {
        std::string digits = in.number();
        char *end;
        errno = 0;
        if constexpr (std::is_signed_v<T>) {
            long long value = std::strtoll(digits.c_str(), &end, 10);
            if (*end || errno || value != (long long)(T)value)
                refuse("a whole number of the parameter's size is expected");
            return (T)value;
        } else {
            unsigned long long value = std::strtoull(digits.c_str(), &end, 10);
            if (*end || errno || digits[0] == '-' || value != (unsigned long long)(T)value)
                refuse("a whole number of the parameter's size is expected");
            return (T)value;
        }
    }
    static void write(std::string &out, T value) { out += std::to_string(value); }
};

template <class T> struct Value<T, std::enable_if_t<std::is_floating_point_v<T>>> {
    static T read(Reader &in) { return (T)std::strtold(in.number().c_str(), nullptr); }
    static void write(std::string &out, T value)
    {
        char digits[64];
        if (std::isnan(value) || std::isinf(value))
            std::snprintf(digits, sizeof digits, "%s", std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
        else
            std::snprintf(digits, sizeof digits, "%.17g", (double)value);
        out += digits;
        if (!std::strpbrk(digits, ".eNI"))
            out += ".0";
    }
};

template <class T> struct Value<std::vector<T>> {
    static std::vector<T> read(Reader &in)
    {
        std::vector<T> out;
        in.expect('[', "a list is expected");
        while (!in.take(']')) {
            out.push_back(Value<T>::read(in));
            in.take(',');
        }
        return out;
    }
    static void write(std::string &out, const std::vector<T> &values)
    {
        out += '[';
        for (size_t i = 0; i < values.size(); i++) {
            if (i)
                out += ',';
            Value<T>::write(out, values[i]);
        }
        out += ']';
    }
};

template <class A, class B> struct Value<std::pair<A, B>> {
    static std::pair<A, B> read(Reader &in)
    {
        in.expect('[', "a list of two is expected");
        A first = Value<A>::read(in);
        in.expect(',', "a list of two is expected");
        B second = Value<B>::read(in);
        in.expect(']', "a list of two is expected");
        return { first, second };
    }
    static void write(std::string &out, const std::pair<A, B> &value)
    {
        out += '[';
        Value<A>::write(out, value.first);
        out += ',';
        Value<B>::write(out, value.second);
        out += ']';
    }
};

template <> struct Value<ListNode *> {
    static ListNode *read(Reader &in)
    {
        if (in.take_word("null"))
            return nullptr;
        ListNode *head = nullptr, **last = &head;
        for (int value : Value<std::vector<int>>::read(in)) {
            *last = new ListNode(value);
            last = &(*last)->next;
        }
        return head;
    }
    static void write(std::string &out, ListNode *node)
    {
        std::vector<int> values;
        for (; node && values.size() < LONGEST_LIST; node = node->next)
            values.push_back(node->val);
        Value<std::vector<int>>::write(out, values);
    }
};

template <> struct Value<TreeNode *> {
    static TreeNode *read_node(Reader &in) { return in.take_word("null") ? nullptr : new TreeNode(Value<int>::read(in)); }
    static TreeNode *read(Reader &in)
    {
        if (in.take_word("null"))
            return nullptr;
        std::vector<TreeNode *> nodes;
        in.expect('[', "a tree is expected");
        while (!in.take(']')) {
            nodes.push_back(read_node(in));
            in.take(',');
        }
        size_t next = 1;
        for (size_t i = 0; i < nodes.size() && next < nodes.size(); i++)
            if (nodes[i]) {
                nodes[i]->left = nodes[next++];
                nodes[i]->right = next < nodes.size() ? nodes[next++] : nullptr;
            }
        return nodes.empty() ? nullptr : nodes[0];
    }
    static void write(std::string &out, TreeNode *root)
    {
        std::vector<TreeNode *> nodes { root };
        for (size_t i = 0; i < nodes.size() && nodes.size() < LONGEST_LIST; i++)
            if (nodes[i]) {
                nodes.push_back(nodes[i]->left);
                nodes.push_back(nodes[i]->right);
            }
        while (!nodes.empty() && !nodes.back())
            nodes.pop_back();
        out += '[';
        for (size_t i = 0; i < nodes.size(); i++)
            out += (i ? "," : "") + (nodes[i] ? std::to_string(nodes[i]->val) : std::string("null"));
        out += ']';
    }
};

inline std::string read_all()
{
    std::string text;
    char part[1 << 16];
    for (ssize_t size; (size = ::read(0, part, sizeof part)) > 0;)
        text.append(part, (size_t)size);
    return text;
}

inline int finish(const std::string &out)
{
    for (size_t done = 0; done < out.size();) {
        ssize_t size = ::write(RESULT, out.data() + done, out.size() - done);
        if (size <= 0)
            return 1;
        done += (size_t)size;
    }
    return 0;
}

/* Read the arguments in their order, from a list or from an object whose names do not count, and call. */
template <class R, class Call, class... A> int call(Call function)
{
    Reader in { read_all() };
    bool named = in.peek() == '{';
    in.expect(named ? '{' : '[', "a list of arguments is expected");
    auto next = [&](auto kind) {
        if (named) {
            in.string();
            in.expect(':', "an argument is expected");
        }
        auto value = Value<typename decltype(kind)::type>::read(in);
        in.take(',');
        return value;
    };
    std::tuple<std::decay_t<A>...> arguments { next(std::common_type<std::decay_t<A>>())... };
    in.expect(named ? '}' : ']', "there are more arguments than parameters");
    std::string out;
    std::apply([&](auto &...given) {
        if constexpr (std::is_void_v<R>) {
            function(std::forward<A>(given)...);
            out = "null";
        } else {
            Value<std::decay_t<R>>::write(out, function(std::forward<A>(given)...));
        }
    }, arguments);
    return finish(out);
}

template <class C, class R, class... A> int run(R (C::*method)(A...))
{
    static C object;
    auto function = [&](A... given) -> R { return (object.*method)(std::forward<A>(given)...); };
    return call<R, decltype(function), A...>(function);
}

template <class C, class R, class... A> int run(R (C::*method)(A...) const)
{
    static C object;
    auto function = [&](A... given) -> R { return (object.*method)(std::forward<A>(given)...); };
    return call<R, decltype(function), A...>(function);
}

template <class R, class... A> int run(R (*function)(A...)) { return call<R, decltype(function), A...>(function); }

}
