"""The design language: one colour a status, spacing, and the few rules that components share.

Colours are Radix scales, so that light and dark follow by themselves. Nothing here holds state.
"""

from runlane.model.status import JobStatus

STATUS_COLOR: dict[str, str] = {
    JobStatus.SCHEDULED: "purple",
    JobStatus.QUEUED: "gray",
    JobStatus.RUNNING: "blue",
    JobStatus.COMPLETED: "grass",
    JobStatus.FAILED: "tomato",
    JobStatus.CANCELLED: "amber",
}
STATUS_LABEL: dict[str, str] = {status: status.capitalize() for status in JobStatus}
STATUS_ICON: dict[str, str] = {
    JobStatus.SCHEDULED: "calendar-clock",
    JobStatus.QUEUED: "hourglass",
    JobStatus.RUNNING: "loader",
    JobStatus.COMPLETED: "check",
    JobStatus.FAILED: "triangle-alert",
    JobStatus.CANCELLED: "ban",
}

PAGE_WIDTH = "1400px"
# Left of a chart, for what its lines stand for.
AXIS_WIDTH = "48px"
FONT = "/fonts/inter-latin.woff2"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"
TABULAR = {"font_variant_numeric": "tabular-nums"}
ONE_LINE = {"overflow": "hidden", "text_overflow": "ellipsis", "white_space": "nowrap", "min_width": "0"}
CARD = {
    "background": "var(--color-panel-solid)",
    "border": "1px solid var(--gray-a4)",
    "border_radius": "var(--radius-4)",
}
MONO_BLOCK = {
    "font_family": MONO,
    "font_size": "12.5px",
    "line_height": "1.55",
    "white_space": "pre-wrap",
    "overflow_wrap": "anywhere",
    "background": "var(--gray-a2)",
    "border_radius": "var(--radius-3)",
    "padding": "12px",
    "max_height": "420px",
    "overflow": "auto",
}

FOCUS = {"outline": "2px solid var(--accent-8)", "outline_offset": "1px"}

THUMB = {
    "appearance": "none",
    "width": "16px",
    "height": "16px",
    "border": "none",
    "border_radius": "50%",
    "background": "var(--accent-9)",
    "cursor": "pointer",
}

RULES: dict[str, object] = {
    "@font-face": {
        "font_family": "Inter",
        "src": f"url({FONT}) format('woff2')",
        "font_weight": "100 900",
        "font_display": "swap",
    },
    "body .radix-themes": {  # before those of Radix, whose sheet comes later
        "--default-font-family": "Inter, system-ui, sans-serif",
        "--heading-letter-spacing": "-0.01em",
    },
    ".radix-themes[data-is-root-theme=true]": {"background": "var(--gray-2)"},
    "a:focus-visible, button:focus-visible, input:focus-visible": {
        "outline": "2px solid var(--accent-8)",
        "outline_offset": "2px",
    },
    ".only-read": {
        "position": "absolute",
        "width": "1px",
        "height": "1px",
        "overflow": "hidden",
        "clip_path": "inset(50%)",
        "white_space": "nowrap",
    },
    ".commands": {"list_style": "none", "padding": "0", "margin": "10px 0 0"},
    ".commands li": {
        "display": "flex",
        "justify_content": "space-between",
        "gap": "12px",
        "padding": "7px 10px",
        "border_radius": "var(--radius-2)",
        "font_size": "var(--font-size-2)",
        "cursor": "pointer",
    },
    ".commands li[aria-selected=true]": {"background": "var(--accent-a4)"},
    ".commands .hint": {"color": "var(--gray-11)"},
    "[data-sonner-toast][data-styled=true]": {
        # outside of what Radix themes: its names for panels and fonts are not known there
        "color": "var(--gray-12) !important",
        "background": "var(--gray-1) !important",
        "border_color": "var(--gray-6) !important",
        "font_family": "Inter, system-ui, sans-serif",
    },
    "[data-sonner-toast][data-type=error] [data-icon]": {"color": "var(--tomato-9)"},
    "[data-sonner-toast][data-type=success] [data-icon]": {"color": "var(--grass-9)"},
    ".next-title": {
        "display": "inline-block",
        "max_width": "min(60vw, 240px)",
        "overflow": "hidden",
        "text_overflow": "ellipsis",
        "vertical_align": "bottom",
        "white_space": "nowrap",
    },
    ".job-name .job-title": {"min_width": "0", "max_width": "100%", "overflow": "hidden", "text_overflow": "ellipsis"},
    ".job-name": {"max_width": "min(38vw, 320px)"},
    ".job-name.own .job-title": {"flex": "1 0 100%"},
    ".job-name.own": {"max_width": "min(38vw, max(200px, 16vw))"},
    "@media (max-width: 1023px)": {".job-name": {"flex_wrap": "wrap"}},
    "#jobs .rt-TableRoot": {"--table-cell-min-height": "44px", "--table-cell-padding": "7px 10px"},
    ".tabs": {
        "display": "flex",
        "border_bottom": "1px solid var(--gray-a5)",
        "margin_bottom": "16px",
    },
    ".tabs .tab": {
        "padding": "8px 12px",
        "font_size": "var(--font-size-2)",
        "color": "var(--gray-11)",
        "text_decoration": "none",
        "white_space": "nowrap",
    },
    ".tabs .tab[aria-current=page]": {
        "color": "var(--gray-12)",
        "font_weight": "500",
        "border_bottom": "2px solid var(--accent-9)",
    },
    ".afloat": {
        "position": "sticky",
        "bottom": "12px",
        "z_index": "20",
        "width": "100%",
        "display": "flex",
        "flex_direction": "column",
        "gap": "8px",
    },
    ".afloat > *": {"box_shadow": "var(--shadow-5)"},
    ".small": {"font_size": "var(--font-size-2)"},
    ".failures": {"list_style": "none", "padding": "0", "margin": "0"},
    ".failures li": {
        "display": "grid",
        "grid_template_columns": "minmax(0, 1fr) 148px auto",
        "gap": "16px",
        "align_items": "center",
        "padding": "8px 0",
        "border_top": "1px solid var(--gray-a4)",
    },
    ".failures li:first-child": {"border_top": "none"},
    ".spark": {"display": "flex", "align_items": "flex-end", "gap": "2px", "height": "28px"},
    ".spark span": {"flex": "1", "min_height": "1px", "background": f"var(--{STATUS_COLOR['failed']}-9)"},
    ".chart": {"position": "relative", "height": "150px", "margin": f"14px 0 4px {AXIS_WIDTH}"},
    ".chart svg": {"position": "absolute", "inset": "0", "width": "100%", "height": "100%", "overflow": "visible"},
    ".chart path": {"vector_effect": "non-scaling-stroke", "stroke_width": "1.5", "stroke_linejoin": "round"},
    ".chart .edge": {
        "position": "absolute",
        "left": "0",
        "right": "0",
        "border_top": "1px solid var(--gray-a4)",
        "pointer_events": "none",
    },
    ".chart .edge span": {
        "position": "absolute",
        "right": "calc(100% + 8px)",
        "transform": "translateY(-50%)",
        "font_size": "var(--font-size-1)",
        "color": "var(--gray-11)",
        "white_space": "nowrap",
        "font_variant_numeric": "tabular-nums",
    },
    ".buckets": {"position": "absolute", "inset": "0", "display": "flex"},
    ".bucket": {"all": "unset", "flex": "1", "cursor": "pointer", "position": "relative"},
    ".bucket:hover, .bucket[data-chosen=true]": {"background": "var(--gray-a4)"},
    ".bucket:hover::after": {
        "content": "attr(data-tip)",
        "position": "absolute",
        "bottom": "calc(100% + 4px)",
        "left": "50%",
        "transform": "translateX(-50%)",
        "width": "max-content",
        "max_width": "240px",
        "padding": "4px 8px",
        "font_size": "var(--font-size-1)",
        "color": "var(--gray-1)",
        "background": "var(--gray-12)",
        "border_radius": "var(--radius-2)",
        "z_index": "5",
        "pointer_events": "none",
    },
    ".bucket.first:hover::after": {"left": "0", "transform": "none"},
    ".bucket.last:hover::after": {"left": "auto", "right": "0", "transform": "none"},
    ".ticks": {
        "display": "flex",
        "font_size": "var(--font-size-1)",
        "color": "var(--gray-11)",
        "height": "18px",
        "overflow": "hidden",
        "margin_left": AXIS_WIDTH,
    },
    ".ticks span": {"flex": "1", "width": "0", "white_space": "nowrap", "overflow": "visible"},
    ".legend": {"display": "inline-block", "width": "10px", "height": "10px", "border_radius": "2px"},
    ".spark-line": {"width": "100%", "height": "24px", "overflow": "visible"},
    ".spark-line path": {"vector_effect": "non-scaling-stroke", "stroke_width": "1.5"},
    ".facts": {"display": "grid", "grid_template_columns": "minmax(110px, 34%) 1fr", "gap": "4px 12px", "margin": "0"},
    ".facts dt": {"color": "var(--gray-11)", "font_size": "var(--font-size-2)"},
    ".facts dd": {"margin": "0", "font_size": "var(--font-size-2)", "overflow_wrap": "anywhere"},
    ".event-lines": {"list_style": "none", "padding": "0", "margin": "0"},
    ".event-lines li": {
        "display": "grid",
        "grid_template_columns": "96px 68px minmax(0, 1fr)",
        "gap": "10px",
        "padding": "4px 0",
        "align_items": "baseline",
        "border_top": "1px solid var(--gray-a3)",
    },
    ".event-lines .when": {
        "font_size": "var(--font-size-1)",
        "color": "var(--gray-11)",
        "font_variant_numeric": "tabular-nums",
    },
    ".skip": {"position": "absolute", "left": "-9999px"},
    ".skip:focus": {"left": "8px", "top": "8px", "z_index": "60", "background": "var(--gray-1)", "padding": "6px 10px"},
    "[data-stale=true]": {"filter": "grayscale(0.8)", "opacity": "0.7"},
    "button.plain": {
        "all": "unset",
        "cursor": "pointer",
        "display": "inline-flex",
        "align_items": "center",
        "gap": "4px",
    },
    ".one-line": {"overflow": "hidden", "text_overflow": "ellipsis", "white_space": "nowrap", "min_width": "0"},
    ".anywhere": {"overflow_wrap": "anywhere"},
    ".select": {
        "font": "inherit",
        "font_size": "var(--font-size-1)",
        "color": "var(--gray-12)",
        "background": "var(--color-surface)",
        "border": "1px solid var(--gray-a7)",
        "border_radius": "var(--radius-2)",
        "padding": "4px 6px",
        "max_width": "100%",
    },
    ".track": {
        "position": "relative",
        "display": "block",
        "height": "6px",
        "background": "var(--gray-a3)",
        "border_radius": "3px",
        "overflow": "hidden",
    },
    ".bar": {
        "position": "absolute",
        "top": "0",
        "bottom": "0",
        "min_width": "2px",
        "background": "var(--blue-9)",
        "border_radius": "3px",
    },
    "@keyframes under-way": {"50%": {"opacity": "0.45"}},
    ".bar.open": {"min_width": "6px", "animation": "under-way 1.6s ease-in-out infinite"},
    ".lane": {
        "all": "unset",
        "box_sizing": "border-box",
        "cursor": "pointer",
        "width": "100%",
        "padding": "6px 8px",
        "border_radius": "var(--radius-3)",
        "border": "1px solid transparent",
    },
    ".lane[aria-pressed=true]": {"background": "var(--accent-a3)", "border_color": "var(--accent-a6)"},
    ".lane:focus-visible": FOCUS,
    ".lane .track": {"margin_top": "5px"},
    ".timeline ol": {"list_style": "none", "padding": "0", "margin": "0"},
    ".timeline .block": {
        "content_visibility": "auto",  # what is not in sight is neither laid out nor painted
        "contain_intrinsic_size": "auto 2500px",
    },
    ".line": {
        "display": "grid",
        "grid_template_columns": "64px 8px minmax(0, 1fr) 26% 64px",
        "gap": "10px",
        "padding": "3px 0",
        "align_items": "baseline",
    },
    ".line .when, .line .took, .took": {
        "font_size": "var(--font-size-1)",
        "color": "var(--gray-11)",
        "font_variant_numeric": "tabular-nums",
        "white_space": "nowrap",
    },
    ".line .took": {"text_align": "right"},
    ".line .dot": {
        "width": "8px",
        "height": "8px",
        "border_radius": "50%",
        "align_self": "center",
        "background": "var(--gray-9)",
    },
    ".line .what": {"font_size": "var(--font-size-2)", "overflow_wrap": "anywhere", "white_space": "pre-wrap"},
    ".line .track": {"align_self": "center"},
    ".line[data-type=log] .dot": {"background": "var(--gray-6)"},
    ".line[data-type=progress] .dot": {"background": "var(--blue-9)"},
    ".line[data-type=artifact] .dot": {"background": "var(--iris-9)"},
    ".line[data-type=status] .what": {"font_weight": "500"},
    ".line[data-type=log] .what": {"color": "var(--gray-11)", "grid_column": "3 / -1"},
    ".line[data-type=log] .no-bar, .line[data-type=log] .took": {"display": "none"},
    ".line[data-level=warning] .what": {"color": "var(--amber-11)"},
    ".line[data-level=error] .what, .line[data-level=critical] .what": {"color": "var(--tomato-11)"},
    ".line .level": {
        "font_size": "10.5px",
        "font_weight": "600",
        "text_transform": "uppercase",
        "letter_spacing": "0.03em",
        "margin_right": "6px",
    },
    ".line .logger": {
        "font_family": MONO,
        "font_size": "11.5px",
        "color": "var(--gray-11)",
        "margin_right": "6px",
    },
    ".done-steps": {"margin": "4px 0", "padding_left": "18px", "max_height": "220px", "overflow": "auto"},
    ".line[data-faint=true]": {"opacity": "0.25"},
    **{
        f".line[data-type=status][data-status={status}] .dot": {"background": f"var(--{color}-9)"}
        for status, color in STATUS_COLOR.items()
    },
    ".scrubber": {
        "appearance": "none",
        "width": "100%",
        "height": "6px",
        "border_radius": "3px",
        "background": "var(--gray-a5)",
    },
    ".scrubber:focus-visible": FOCUS,
    ".scrubber::-webkit-slider-thumb": THUMB,
    ".scrubber::-moz-range-thumb": THUMB,
    ".proof": {
        "list_style": "none",
        "padding": "0",
        "margin": "0",
        "display": "flex",
        "flex_wrap": "wrap",
        "gap": "18px",
    },
    ".proof li": {"display": "flex", "align_items": "center", "gap": "6px"},
    ".frame-ours": {"color": "var(--gray-12)", "font_weight": "600"},
    ".frame-theirs": {"color": "var(--gray-11)"},
    ".tree": {
        "list_style": "none",
        "padding": "0",
        "margin": "0",
        "font_family": MONO,
        "font_size": "12.5px",
        "line_height": "1.6",
        "max_height": "420px",
        "overflow": "auto",
    },
    ".tree-row": {"display": "flex", "align_items": "baseline", "gap": "6px"},
    ".tree-row[data-found=true]": {"background": "var(--amber-a4)"},
    ".tree-fold, .tree-act": {"all": "unset", "cursor": "pointer", "display": "inline-flex", "align_items": "baseline"},
    ".tree-fold:focus-visible, .tree-act:focus-visible": FOCUS,
    ".tree-fold, .tree-leaf": {"gap": "6px", "min_width": "0"},
    ".tree-leaf": {"padding_left": "18px", "display": "inline-flex"},
    ".tree-arrow": {"align_self": "center", "flex_shrink": "0"},
    ".tree-fold[aria-expanded=true] .tree-arrow": {"transform": "rotate(90deg)"},
    ".tree-key": {"color": "var(--accent-11)", "white_space": "nowrap"},
    ".tree-key::after": {"content": "':'"},
    ".tree-value": {"overflow_wrap": "anywhere", "white_space": "pre-wrap"},
    ".tree-row[data-kind=string] .tree-value": {"color": "var(--grass-11)"},
    ".tree-row[data-kind=object] .tree-value, .tree-row[data-kind=array] .tree-value": {"color": "var(--gray-11)"},
    ".tree-act": {"color": "var(--accent-11)", "font_size": "11px", "white_space": "nowrap"},
    ".tree-copy": {"opacity": "0", "align_self": "center"},
    ".tree-row:hover .tree-copy, .tree-copy:focus-visible": {"opacity": "1"},
    ".thumbnail-button": {
        "all": "unset",
        "cursor": "zoom-in",
        "display": "flex",
        "flex_direction": "column",
        "gap": "4px",
        "width": "108px",
        "font_size": "var(--font-size-1)",
        "color": "var(--gray-11)",
    },
    ".thumbnail-button:focus-visible": FOCUS,
    ".thumbnail": {
        "width": "108px",
        "height": "68px",
        "object_fit": "cover",
        "border_radius": "var(--radius-2)",
        "border": "1px solid var(--gray-a5)",
    },
    ".steps-compared": {"list_style": "none", "padding": "0", "margin": "0"},
    ".steps-compared li": {
        "display": "grid",
        "grid_template_columns": "1fr 1fr",
        "gap": "24px",
        "padding": "4px 6px",
        "font_size": "var(--font-size-2)",
    },
    ".step-side": {
        "display": "grid",
        "grid_template_columns": "minmax(0, 1fr) 30% 56px",
        "gap": "10px",
        "align_items": "center",
    },
    ".differs": {"background": "var(--amber-a3)"},
    "@media (max-width: 767px)": {
        ".wide": {"display": "none"},
        ".tabs": {"flex_wrap": "wrap"},
        ".tabs .tab": {"padding": "6px 8px"},
        ".failures li": {"grid_template_columns": "minmax(0, 1fr) auto"},
        ".failures .spark": {"display": "none"},
        ".line": {"grid_template_columns": "52px 8px minmax(0, 1fr) 52px"},
        ".line > .track, .line > .no-bar": {"display": "none"},
        ".step-side": {"grid_template_columns": "minmax(0, 1fr) 48px"},
        ".step-side .track": {"display": "none"},
    },
    "@media (prefers-reduced-motion: reduce)": {
        "*": {"animation": "none !important", "transition": "none !important"},
    },
}


def _sheet(rules: dict[str, object]) -> str:
    """The rules as CSS text; a value that is a dictionary of dictionaries is a block such as ``@media``."""
    parts = []
    for selector, body in rules.items():
        assert isinstance(body, dict)
        if all(isinstance(value, dict) for value in body.values()):
            parts.append(f"{selector}{{{_sheet(body)}}}")
        else:
            declarations = ";".join(f"{name.replace('_', '-')}:{value}" for name, value in body.items())
            parts.append(f"{selector}{{{declarations}}}")
    return "".join(parts)


# The rules of classes, for every page and for what is drawn outside of it, as dialogs are.
STYLE_SHEET = _sheet(RULES)
