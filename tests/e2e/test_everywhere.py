"""What holds on every page: how fresh it is, messages, keys, the palette, two people at once."""

import httpx
from playwright.async_api import expect

from testbed.waiting import until
from tests.support.pages import row_of


async def focused(page):
    return await page.evaluate("document.activeElement.id")


async def test_the_delay_from_worker_to_page_is_measured_and_shown(product, open_page):
    page = await open_page("/")

    await product.submit("web_agent", params={"steps": 20, "step_seconds": 0.2})

    await expect(page.locator("#live-mark")).to_contain_text(" ms")


async def test_a_page_without_its_server_says_how_old_it_is_and_catches_up(product, open_page):
    """A page counts as just loaded for three and a half seconds."""
    page = await open_page("/")
    job_id = await product.submit("slow", params={"seconds": 600})
    await expect(row_of(page, job_id)).to_have_attribute("data-status", "running")

    await page.wait_for_function("performance.now() > 3500")  # a younger page counts as just loaded
    product.process("jobs_app").kill()

    await expect(page.locator("#live-mark")).to_contain_text("old")
    await expect(page.locator("main")).to_have_attribute("data-stale", "true")

    async def answers():
        try:
            return (await product.api.get("/readyz")).status_code
        except httpx.TransportError:
            return 0

    await until(answers, lambda code: code == 200)
    await expect(page.get_by_text("Connected again; everything was read again.")).to_be_visible()
    await expect(page.locator("main")).to_have_attribute("data-stale", "false")
    await page.get_by_role("button", name="Recent messages").click()
    await expect(page.locator("#notifications")).to_contain_text("Connected again; everything was read again.")


async def test_what_one_person_does_another_sees_at_once(product, open_page):
    mine, theirs = await open_page("/"), await open_page("/")
    job_id = await product.submit("slow", params={"seconds": 600})
    await expect(row_of(mine, job_id)).to_have_attribute("data-status", "running")

    await row_of(mine, job_id).get_by_role("button", name="Cancel").click()

    await expect(row_of(theirs, job_id)).to_have_attribute("data-status", "cancelled")


async def test_a_burst_of_failures_is_one_message_that_is_kept(product, open_page):
    page = await open_page("/")
    before = await _failure_messages(page)
    jobs = [{"kind": "always_fails", "max_attempts": 1}] * 200

    await product.api.post("/api/jobs/batch", json={"jobs": jobs})
    await until(lambda: product.api.get("/api/queue"), lambda r: r.json()["counts"]["failed"] == 200)

    await expect(page.locator("[data-sonner-toast]", has_text="jobs failed")).to_have_count(1)
    messages = [text for text in await _failure_messages(page) if text not in before]
    assert 1 <= len(messages) <= len(jobs) / 10


async def _failure_messages(page):
    """The recent messages about failures; those of earlier tests among them."""
    await page.get_by_role("button", name="Recent messages").click()
    await expect(page.locator("#notifications")).to_be_visible()
    texts = await page.locator("#notifications").get_by_text("failed").all_inner_texts()
    await page.keyboard.press("Escape")
    await expect(page.locator("#notifications")).to_have_count(0)
    return texts


async def test_a_message_that_takes_the_place_of_another_has_its_own_words(product, open_page):
    """Each sort of message is shown once: a newer one replaces the one before, whatever is in it."""
    page = await open_page("/")
    messages = page.locator("[data-sonner-toast]")
    await page.locator("#field-steps").fill("1")
    await page.locator("#field-step_seconds").fill("0")

    earlier = "nothing yet"
    for _ in range(2):
        await page.get_by_role("button", name="Start", exact=True).click()
        message = messages.filter(has_text="is queued.", has_not_text=earlier)
        await expect(message).to_have_count(1)
        earlier = (await message.inner_text()).splitlines()[0]

    for _ in range(2):
        await page.get_by_label("Find jobs").fill("<reflex.Var>x")
        await page.get_by_label("Find jobs").press("Enter")
        await expect(messages.filter(has_text="cannot be used on a page")).to_have_count(1)


async def test_a_whole_journey_with_the_keyboard_alone(product, open_page):
    page = await open_page("/")
    waiting = await product.submit("noop", delay_s=600)
    await page.keyboard.press("n")
    await until(lambda: focused(page), lambda at: at == "kind")
    await page.keyboard.press("A")  # one letter: a second, later than a second, would begin another search
    await expect(page.locator("#kind")).to_contain_text("Always fails")
    await expect(page.locator("#field-message")).to_be_visible()
    await page.keyboard.press("Tab")
    await until(lambda: focused(page), lambda at: at == "field-message")
    await page.keyboard.press("Enter")
    failed = page.locator("#jobs tr[data-status=failed]")
    failing = await failed.get_attribute("data-job")
    await page.keyboard.press("Tab")  # out of the field: in there keys are text

    await page.keyboard.press("j")
    await until(lambda: focused(page), lambda at: at == f"row-{failing}")
    await page.keyboard.press("j")
    await until(lambda: focused(page), lambda at: at == f"row-{waiting}")
    await page.keyboard.press("x")
    await expect(page.locator("#selection")).to_contain_text("1 selected")
    await page.keyboard.press("c")
    await expect(row_of(page, waiting)).to_have_attribute("data-status", "cancelled")
    await page.keyboard.press("k")
    await until(lambda: focused(page), lambda at: at == f"row-{failing}")
    await page.keyboard.press("r")
    await expect(row_of(page, failing)).to_contain_text("attempt 2")
    await page.keyboard.press("Enter")
    await expect(page.locator("#job")).to_be_visible()
    await page.keyboard.press("g")
    await page.keyboard.press("d")
    await expect(page.locator("#jobs")).to_be_visible()
    await page.keyboard.press("/")
    await until(lambda: focused(page), lambda at: at == "search")
    await page.keyboard.type("njxcr?/")
    await expect(page.get_by_label("Find jobs")).to_have_value("njxcr?/")
    assert await page.get_by_role("dialog").count() == 0


async def test_searching_and_starting_a_job_are_one_key_away_on_every_page(product, open_page):
    job_id = await product.submit("noop", delay_s=600)
    page = await open_page("/admin/kinds")

    for key, field in (("/", "search"), ("n", "kind")):
        for path in ("/admin/kinds", f"/jobs/{job_id}", f"/jobs/{job_id}/compare"):
            await page.goto(product.url + path)
            await page.locator("#live-mark", has_text="Live").wait_for()
            await page.keyboard.press(key)
            await until(lambda: focused(page), lambda at, field=field: at == field)
            await expect(page).to_have_url(f"{product.url}/")


async def test_the_palette_acts_on_the_job_that_is_open_and_on_the_selected_ones(product, open_page):
    waiting, failing = await product.submit("noop", delay_s=600), await product.submit("always_fails", max_attempts=1)
    await product.status_is(failing, "failed")
    page = await open_page(f"/jobs/{waiting}")
    commands, field = page.locator("#commands li"), page.get_by_label("Command", exact=True)

    await page.keyboard.press("Control+k")
    await expect(commands.filter(has_text=waiting[-8:])).to_have_text(
        [f"Cancel No-op {waiting[-8:]}action", f"Delete No-op {waiting[-8:]}action"]
    )
    await field.fill("cancel")
    await expect(commands.first).to_contain_text("Cancel")
    await page.keyboard.press("Enter")
    await expect(page.locator("#job")).to_have_attribute("data-status", "cancelled")
    await expect(field).to_have_count(0)
    await page.keyboard.press("g")
    await page.keyboard.press("d")
    await page.locator(f"#row-{failing}").focus()
    await page.keyboard.press("x")
    await page.keyboard.press("Control+k")
    await field.fill("retry the selected")
    await expect(commands).to_have_count(1)
    await page.keyboard.press("Enter")
    await page.get_by_role("alertdialog").get_by_role("button", name="Retry").click()
    await expect(row_of(page, failing)).to_contain_text("attempt 2")


async def test_the_sheet_lists_the_keys_and_closes(open_page):
    page = await open_page("/")

    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("command palette")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_the_palette_finds_pages_actions_and_jobs(product, open_page):
    job_id = await product.submit("noop")
    await product.status_is(job_id, "completed")
    page = await open_page("/")
    field, paused = page.get_by_label("Command", exact=True), page.get_by_text("The queue is paused: what runs goes on")

    for words, count in (("pause", 1), ("resume", 0)):
        await page.keyboard.press("Control+k")
        await field.fill(words)
        await page.keyboard.press("Enter")
        await expect(paused).to_have_count(count)
        await expect(field).to_have_count(0)
    await page.keyboard.press("Control+k")
    await field.fill(job_id[-8:])
    await expect(page.locator("#commands li")).to_have_count(1)
    await expect(page.locator("#commands li")).to_contain_text(job_id[-8:])
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{product.url}/jobs/{job_id}")


async def test_a_screen_reader_reads_out_what_ended_at_most_every_five_seconds(product, open_page):
    """Five seconds have to pass between two announcements."""
    page = await open_page("/")
    await page.evaluate(
        "window.spoken = []; new MutationObserver(() => window.spoken.push(Date.now()))"
        ".observe(document.querySelector('#spoken'), {childList: true, characterData: true, subtree: true})"
    )

    async def spoken():
        await product.submit("noop")
        return await page.evaluate("window.spoken")

    times = await until(spoken, lambda times: len(times) >= 2, every_s=0.2)
    assert times[1] - times[0] > 2500, "the first may have been late by half of that"
    await expect(page.locator("#spoken")).to_contain_text("completed")
