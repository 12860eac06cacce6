"""Words for the remedies that SQL functions name in what they reject."""

from typing import Any

from outreach import commands


def remedy(name: str | None, arguments: dict[str, Any]) -> str:
    """The remedy as a clause. Empty when there is none, or only a newer release knows it.

    `name` is from the answer's `remedy`; `arguments` are those of the rejected call.
    """
    match name:
        case "add_account":
            return f"add it with {commands.ADD_ACCOUNT}"
        case "list_accounts":
            return f"{commands.LIST_ACCOUNTS} shows those that exist"
        case "import_leads":
            tag = arguments["lead_tag"]
            return (
                f"import some with {commands.import_leads(tag) if tag else commands.IMPORT_LEADS}"
            )
        case "list_leads":
            return f"{commands.list_leads(arguments['campaign'])} shows those that it has"
        case _:
            return ""
