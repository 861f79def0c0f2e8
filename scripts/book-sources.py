#!/usr/bin/env python3
"""mdBook preprocessor: links of pages to files outside of docs/ lead to pages of the book that show these files.

mdBook copies what lies in docs/ and nothing else, so a link to ../examples/embed.rs is dead in the rendered book. Every
file that is linked to becomes a page under "Source files", a folder becomes a list of its files.
"""

import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGES = "docs"
SOURCES = "sources"
LINK = re.compile(r"(\]\()([^)\s#]+)([^)]*\))")
FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1[`~]*$", re.DOTALL | re.MULTILINE)
LANGUAGES = {".rs": "rust", ".c": "c", ".py": "python", ".json": "json", ".js": "javascript"}


def chapters_of(items):
    """All chapters, those within others too."""
    for item in items:
        chapter = item.get("Chapter") if isinstance(item, dict) else None
        if chapter:
            yield chapter
            yield from chapters_of(chapter["sub_items"])


def page_of(path):
    """Where the book shows a file outside of docs/, seen from docs/."""
    if os.path.isdir(os.path.join(ROOT, path)):
        return f"{SOURCES}/{path}/index.md"
    return index_of(f"{SOURCES}/{path}") if path.endswith(".md") else f"{SOURCES}/{path}.md"


def index_of(page):
    """mdBook renders a README as the index of its folder, and leaves links to it as they are."""
    folder, name = os.path.split(page)
    return os.path.join(folder, "index.md") if name == "README.md" else page


def redirect(text, page, folder, linked):
    """The text of a page with its links redirected. `folder` is where the file lies from which the text comes."""

    def one(match):
        before, target, after = match.groups()
        if "://" in target or target.startswith("mailto:"):
            return match.group()
        path = os.path.normpath(os.path.join(folder, target))
        if path.startswith("..") or not os.path.exists(os.path.join(ROOT, path)):
            return match.group()
        inside = os.path.relpath(path, PAGES)
        if inside.startswith(".."):
            linked.append(path)
            inside = page_of(path)
        return before + os.path.relpath(index_of(inside), os.path.dirname(page) or ".") + after

    pieces, start = [], 0
    for fence in FENCED.finditer(text):
        pieces += [LINK.sub(one, text[start : fence.start()]), fence.group()]
        start = fence.end()
    return "".join(pieces) + LINK.sub(one, text[start:])


def content_of(path, page, linked):
    """What the page of a file or folder shows."""
    full = os.path.join(ROOT, path)
    if os.path.isdir(full):
        names = sorted(name for name in os.listdir(full) if os.path.isfile(os.path.join(full, name)))
        text = f"# {path}\n\n" + "".join(f"- [{name}]({name})\n" for name in names)
        return redirect(text, page, path, linked)
    with open(full, encoding="utf-8") as file:
        text = file.read()
    if path.endswith(".md"):
        return redirect(text, page, os.path.dirname(path), linked)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    language = LANGUAGES.get(os.path.splitext(path)[1], "text")
    return f"# {path}\n\n{fence}{language},noplayground\n{text.rstrip()}\n{fence}\n"


def chapter(name, page, content, parents=(), sub_items=()):
    """A chapter as mdBook's renderer wants it."""
    return {
        "Chapter": {
            "name": name,
            "content": content,
            "number": None,
            "sub_items": list(sub_items),
            "path": page,
            "source_path": None,
            "parent_names": list(parents),
        }
    }


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "supports":
        sys.exit(0 if sys.argv[2] == "html" else 1)
    _, book = json.load(sys.stdin)
    # mdBook 0.5 calls items what 0.4 called sections.
    items = book["items"] if "items" in book else book["sections"]
    linked = []
    for page in chapters_of(items):
        if page["path"]:
            folder = os.path.join(PAGES, os.path.dirname(page["path"]))
            page["content"] = redirect(page["content"], page["path"], folder, linked)
    shown = {}
    while linked:
        path = linked.pop()
        if path not in shown:
            shown[path] = content_of(path, page_of(path), linked)
    if shown:
        name, page = "Source files", f"{SOURCES}/index.md"
        paths = sorted(shown)
        listed = "".join(f"- [{path}]({os.path.relpath(page_of(path), SOURCES)})\n" for path in paths)
        chapters = [chapter(path, page_of(path), shown[path], parents=[name]) for path in paths]
        items.append(chapter(name, page, f"# {name}\n\nWhat pages of this book link to.\n\n{listed}", (), chapters))
    json.dump(book, sys.stdout)


if __name__ == "__main__":
    main()
