"""The form that starts a job, made from the kind's model."""

from playwright.async_api import expect


async def test_a_form_with_every_sort_of_input_starts_a_job(product, open_page):
    page = await open_page("/")
    await page.get_by_role("combobox", name="Kind").click()
    await page.get_by_role("option", name="Report").click()

    await page.get_by_label("Title").fill("Numbers")
    await page.get_by_label("Sections").fill("One\nTwo")
    await page.get_by_label("Api key").fill("hunter2")
    await expect(page.get_by_label("Api key")).to_have_attribute("type", "password")
    await page.get_by_label("Options").fill('{"depth": 3}')
    await page.get_by_role("switch").first.click()
    await page.get_by_role("button", name="Start").click()

    row = page.locator("tr[data-job]")
    await expect(row).to_have_attribute("data-status", "completed")
    job = await product.job(await row.get_attribute("data-job"))
    assert job["params"] == {
        "title": "Numbers",
        "format": "markdown",
        "sections": ["One", "Two"],
        "source": {"url": "https://example.com/figures", "api_key": "hunter2"},
        "attach": False,
        "options": {"depth": 3},
    }


async def test_a_job_is_delayed_prioritised_and_repeated(product, open_page):
    page = await open_page("/")
    await page.get_by_role("combobox", name="Kind").click()
    await page.get_by_role("option", name="No-op").click()
    await expect(page.get_by_label("Start url")).to_have_count(0)  # the form is that of the kind by now
    await page.get_by_text("Advanced").click()
    await page.get_by_label("Priority").fill("7")
    await page.get_by_label("Start in … seconds").fill("60")

    await page.get_by_role("button", name="Start").click()
    await expect(page.locator("tr[data-job][data-status=scheduled]")).to_have_count(1)
    await page.get_by_role("button", name="Repeat last").click()

    await expect(page.locator("tr[data-job][data-status=scheduled]")).to_have_count(2)
    jobs = (await product.api.get("/api/jobs")).json()["items"]
    assert [job["priority"] for job in jobs] == [7, 7]


async def test_the_form_is_copied_as_a_command_that_works(product, open_page):
    page = await open_page("/", permissions=["clipboard-read", "clipboard-write"])
    await page.get_by_label("Steps", exact=True).fill("0")
    await expect(page.locator("[id='error-steps']")).to_be_visible()
    await page.get_by_label("Steps", exact=True).fill("2")
    await expect(page.locator("[id='error-steps']")).to_have_count(0)

    await page.get_by_role("button", name="Copy as curl").click()

    await expect(page.get_by_text("Copied.")).to_be_visible()
    command = await page.evaluate("navigator.clipboard.readText()")
    assert command.startswith(f"curl -X POST {product.url}/api/jobs")
    assert '"steps": 2' in command


async def test_a_double_click_starts_one_job_and_a_second_click_another(product, open_page):
    page = await open_page("/")

    await page.get_by_role("button", name="Start", exact=True).dblclick()
    await expect(page.locator("tr[data-job]")).to_have_count(1)
    await page.get_by_role("button", name="Start", exact=True).click()

    await expect(page.locator("tr[data-job]")).to_have_count(2)
    assert len((await product.api.get("/api/jobs")).json()["items"]) == 2
