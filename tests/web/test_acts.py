"""Acts on tasks, by the row, the selection, or all at once; and before which question."""

from harness import until
from servers.origin import Gate
from web.steps import DATA, NAMES, add_paused, choose, seen, state_of, texts, wait_for_rows

from dlserv import __version__


def test_select_a_range_and_remove_with_files(page, api, origin, folder):
    names = ["one.bin", "two.bin", "three.bin"]
    for name in names:
        origin.put("/" + name, DATA)
        api.reach(api.add(origin.url("/" + name)), "finished")
    page.until("document.querySelectorAll('tbody [data-state=finished]').length === 3")
    page.click("tbody .select")
    page.click("tbody .select", 1, modifiers=["Shift"])
    page.until("document.querySelector('.count').textContent === '2 selected'")
    chosen = page.run("[...selected].map(tid => tasks.get(tid).filename)")
    page.click("#acts [data-act=delete]")
    assert texts(page, "#remove h2") == ["Remove 2 downloads from the list?"]
    page.click("#remove [name=files]")
    page.until("document.querySelectorAll('.files li').length === 2")
    assert sorted(texts(page, ".files li")) == sorted(chosen)
    page.click(".danger")
    wait_for_rows(page, 1)
    page.until("document.activeElement.dataset.tid === view.rows[0].tid")
    until(lambda: [path.name for path in folder.iterdir()] == [name for name in names if name not in chosen])


def test_a_finished_file_stays_unless_it_is_asked_for(page, api, origin, folder):
    origin.put("/keep.bin", DATA)
    api.reach(api.add(origin.url("/keep.bin")), "finished")
    page.until(state_of("keep.bin") + " === 'finished'")
    page.press("ArrowDown", "Delete")
    page.until("document.querySelector('#remove').open")
    assert texts(page, "#remove h2") == ["Remove from the list?"]
    assert seen(page, "#remove label") == ["Also delete the file"]
    page.press("Enter")
    wait_for_rows(page, 0)
    assert (folder / "keep.bin").read_bytes() == DATA


def test_nothing_is_deleted_before_its_files_are_named(page, api, origin, folder):
    origin.put("/one.zip", DATA)
    api.reach(api.add(origin.url("/one.zip")), "finished")
    page.until(state_of("one.zip") + " === 'finished'")
    page.run("window.real = fetch; fetch = (path, ...more) => String(path).endsWith('/status')"
             " ? new Promise(resolve => { window.answer = () => resolve(real(path, ...more)); }) : real(path, ...more)")
    page.press("ArrowDown", "Delete")
    page.click("#remove [name=files]")
    page.click(".danger")
    assert texts(page, "#remove .note") == ["Asking for their names…"]
    page.run("answer()")
    page.until("document.querySelector('.files li')?.textContent === 'one.zip'")
    assert (folder / "one.zip").exists() and page.run("tasks.size") == 1
    page.click(".danger")
    wait_for_rows(page, 0)
    until(lambda: not list(folder.iterdir()))


def test_a_file_that_was_changed_stays_and_says_so(page, api, origin, folder):
    origin.put("/mine.bin", DATA)
    api.reach(api.add(origin.url("/mine.bin")), "finished")
    (folder / "mine.bin").write_bytes(b"edited")
    page.until(state_of("mine.bin") + " === 'finished'")
    page.press("ArrowDown", "Delete")
    page.click("#remove [name=files]")
    page.until("document.querySelector('.files li')")
    page.click(".danger")
    page.until("document.querySelector('.toast.bad')?.textContent.startsWith('mine.bin stays: ')")
    assert (folder / "mine.bin").read_bytes() == b"edited"


def test_the_part_of_an_unfinished_one_goes_too(page, api, origin, folder):
    origin.put("/big.bin", DATA, script=[Gate(100000)])
    tid = api.add(origin.url("/big.bin"))
    until(lambda: api.status(tid)["downloaded_bytes"] == 100000)
    page.until("view.rows[0]?.downloaded_bytes === 100000")
    page.press("ArrowDown", "Delete")
    page.until("document.querySelector('#remove').open")
    assert seen(page, "#remove label") == ["Also delete the part that is there: 97.7 KiB"]
    page.press("Enter")
    wait_for_rows(page, 0)
    until(lambda: not list(folder.iterdir()))


def test_the_part_of_an_unfinished_one_may_stay(page, api, origin, folder):
    origin.put("/big.bin", DATA, script=[Gate(100000)])
    tid = api.add(origin.url("/big.bin"))
    page.until("view.rows[0]?.downloaded_bytes")
    api.put("/task/tid/%s?act=pause" % tid)
    page.until(state_of("big.bin") + " === 'paused'")
    page.press("ArrowDown", "Delete")
    page.click("#remove [name=parts]")
    page.click(".danger")
    wait_for_rows(page, 0)
    assert [path.name for path in folder.iterdir()] == ["big.bin.part"]


def test_what_is_finished_while_the_dialog_asks_keeps_its_file(page, api, origin, folder):
    gate = Gate(100000)
    origin.put("/slow.bin", DATA, script=[gate])
    tid = api.add(origin.url("/slow.bin"))
    page.until("view.rows[0]?.downloaded_bytes === 100000")
    page.press("ArrowDown", "Delete")
    page.until("document.querySelector('#remove').open")
    gate.open()
    api.reach(tid, "finished")
    page.press("Enter")
    wait_for_rows(page, 0)
    assert (folder / "slow.bin").read_bytes() == DATA


def test_a_restart_puts_both_its_files_at_stake(page, api, origin, folder):
    origin.put("/big.bin", DATA)
    tid = api.add(origin.url("/big.bin"))
    api.reach(tid, "finished")
    origin.put("/big.bin", DATA, script=[Gate(100000)])
    api.put("/task/tid/%s?act=restart" % tid)
    until(lambda: api.status(tid)["downloaded_bytes"] == 100000)
    page.until("view.rows[0]?.state === 'downloading' && view.rows[0].downloaded_bytes === 100000")
    page.press("ArrowDown", "Delete")
    page.click("#remove [name=files]")
    page.until("document.querySelector('.files li')")
    assert texts(page, ".files li") == ["big.bin", "big.bin.part"]
    page.click(".danger")
    wait_for_rows(page, 0)
    until(lambda: not list(folder.iterdir()))


def test_move_in_the_queue(page, api):
    add_paused(api, "a", "b", "c", "d")
    wait_for_rows(page, 4)
    page.click("tbody .select", 2)
    page.click("tbody .select", 3)
    page.click("#acts [data-act=up]")
    page.until(NAMES + ".join('') === 'acdb'")
    page.click("#acts [data-act=top]")
    page.until(NAMES + ".join('') === 'cdab'")
    page.press("Alt+ArrowUp", "Alt+End")
    page.until(NAMES + ".join('') === 'abcd'")


def test_pause_resume_and_clear_all(page, api, origin, folder):
    origin.put("/done.bin", DATA)
    origin.put("/half.bin", DATA, script=[Gate(1000)] * 3)
    api.reach(api.add(origin.url("/done.bin")), "finished")
    api.add(origin.url("/half.bin"))
    page.until(state_of("half.bin") + " === 'downloading'")
    page.click("[data-all=pause]")
    page.until(state_of("half.bin") + " === 'paused' && document.querySelector('[data-all=pause]').disabled")
    page.click("[data-all=resume]")
    page.until(state_of("half.bin") + " === 'downloading'")
    page.click("[data-all=delete]")
    wait_for_rows(page, 1)
    assert "1 removed from the list; their files stay." in texts(page, ".toast span")
    assert (folder / "done.bin").exists()


def test_links_of_the_selection_are_copied(page, api):
    tids = add_paused(api, "a.zip", "b.zip")
    wait_for_rows(page, 2)
    page.press("Control+a")
    page.run("window.copied = new Promise(resolve => { navigator.clipboard.writeText = async text => resolve(text); });"
             " 0")
    page.click("#acts [data-act=link]")
    assert sorted(page.run("copied").split("\n")) == sorted(api.status(tid)["url"] for tid in tids)
    page.until("[...document.querySelectorAll('.toast span')].some(each => each.textContent === 'Copied.')")


def test_a_selection_of_finished_files_is_saved(page, api, origin, tmp_path):
    for name in ("one.bin", "two.bin"):
        origin.put("/" + name, DATA)
        api.reach(api.add(origin.url("/" + name)), "finished")
    page.until("document.querySelectorAll('tbody [data-state=finished]').length === 2")
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path),
              browserContextId=page.context)
    page.press("Control+a")
    page.click("#acts [data-act=save]")
    saved = [tmp_path / "one.bin", tmp_path / "two.bin"]    # under other names while they arrive
    until(lambda: all(path.exists() and path.stat().st_size == len(DATA) for path in saved))
    assert all(path.read_bytes() == DATA for path in saved)


def test_a_picture_is_shown(page, api, origin):
    origin.put("/dot.svg.png", bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
        "0000000a49444154789c63000100000500010d0a2db40000000049454e44ae426082"),
        headers={"Content-Type": "image/png"})
    api.reach(api.add(origin.url("/dot.svg.png")), "finished")
    page.until("view.rows[0]?.state === 'finished'")
    page.click("tbody .menu")
    choose(page, "Play or show")
    page.until("document.querySelector('#player img')?.naturalWidth === 1")
    page.press("Escape")
    page.until("!document.querySelector('#player img')")


def test_the_speed_limit_is_in_the_head(page, daemon):
    page.until("document.querySelector('#limit').options.length")
    page.run("Object.assign(document.querySelector('#limit'), {value: 2 ** 20})"
             ".dispatchEvent(new Event('change'))")
    until(lambda: daemon.config.download.ratelimit == 2 ** 20)
    daemon.configure({"download": {"ratelimit": 3000000}})
    page.run("document.dispatchEvent(new Event('visibilitychange'))")
    page.until("document.querySelector('#limit').selectedOptions[0].textContent === '2.9 MiB/s'")


def test_the_window_of_the_schedule_is_in_the_head(page, site, daemon):
    settings, text = site[0], "document.querySelector('#window').textContent"
    page.until("document.querySelector('#limit').options.length")
    assert page.run(text) == "" and seen(page, "#window") == []
    for window, said in [({"ratelimit": "1M", "max_concurrent": 3}, "Schedule: 1 MiB/s, 3 at once"),
                         ({"ratelimit": 0, "max_concurrent": 0}, "Schedule: no limit, 0 at once"),
                         ({"ratelimit": "512K"}, "Schedule: 512 KiB/s"), ({"max_concurrent": 1}, "Schedule: 1 at once")]:
        daemon.configuration.reload(dict(settings, schedule=[window]))
        add_paused_and_delete(daemon)
        page.until("%s === '%s'" % (text, said))
    daemon.configuration.reload(dict(settings, schedule=[{"ratelimit": "1M", "to": "23:59"}, {"from": "23:58"}]))
    add_paused_and_delete(daemon)
    page.until("/^Schedule: (1 MiB.s, )?until ./.test(%s)" % text)
    daemon.configuration.reload(settings)
    add_paused_and_delete(daemon)
    page.until(text + " === ''")


def add_paused_and_delete(daemon):
    """Something that happens, so that the page is told how it goes."""
    daemon.delete(daemon.add("http://127.0.0.1:1/passing", {"paused": True}))


def test_a_finished_file_is_verified_from_its_menu(page, api, origin):
    origin.put("/a.bin", DATA)
    tid = api.add(origin.url("/a.bin"))
    api.reach(tid, "finished")
    page.until("view.rows[0]?.state === 'finished'")
    page.click("tbody .text", count=2)
    page.until("document.querySelector('[data-key=checksum] span').textContent")
    before = api.get("/task/tid/%s/info" % tid)["detail"]["verified_time"]
    page.press("Escape")
    page.click("tbody .menu")
    choose(page, "Verify")
    until(lambda: api.get("/task/tid/%s/info" % tid)["detail"]["verified_time"] > before)
    page.until("tasks.get('%s').verified_time > %r" % (tid, before))


def test_details_show_what_a_verification_found(page, api, origin, daemon):
    daemon.configure({"download": {"hash": False}})
    origin.put("/a.bin", DATA)
    tid = api.add(origin.url("/a.bin"))
    api.reach(tid, "finished")
    page.until("view.rows[0]?.state === 'finished'")
    page.click("tbody .text", count=2)
    page.until("document.querySelector('[data-key=url] span').textContent.endsWith('a.bin')")
    assert seen(page, "[data-key=checksum], [data-key=verified_time]") == []
    choose(page, "Verify", within="#details .acts")
    page.until("document.querySelector('[data-key=checksum] span').textContent.startsWith('sha-256=')"
               " && document.querySelector('[data-key=verified_time] span').textContent")


def test_a_selection_is_verified(page, api, origin):
    tids = []
    for name in ("one.bin", "two.bin"):
        origin.put("/" + name, DATA)
        tids.append(api.add(origin.url("/" + name)))
        api.reach(tids[-1], "finished")
    add_paused(api, "rest.bin")
    wait_for_rows(page, 3)
    page.until("document.querySelectorAll('tbody [data-state=finished]').length === 2")
    before = [api.get("/task/tid/%s/info" % tid)["detail"]["verified_time"] for tid in tids]
    page.press("Control+a")
    page.click("#acts [data-act=verify]")
    until(lambda: all(api.get("/task/tid/%s/info" % tid)["detail"]["verified_time"] > then
                      for tid, then in zip(tids, before)))
    assert texts(page, ".toast.bad") == []


def test_the_version_and_the_folder_are_in_view(page, folder):
    page.until("document.querySelector('#place').textContent === 'Version %s, files go to %s'" % (__version__, folder))


def test_refresh_fetches_what_has_changed_from_menu_and_selection(page, api, origin, folder):
    for name in ("same.bin", "news.bin"):
        origin.put("/" + name, DATA)
        api.reach(api.add(origin.url("/" + name)), "finished")
    tids = {task["title"]: task["tid"] for task in api.get("/task/list")["detail"]}
    page.until("document.querySelectorAll('tbody [data-state=finished]').length === 2")
    page.click("tbody .menu", page.run(NAMES).index("same.bin"))
    choose(page, "Refresh")
    until(lambda: "unchanged" in log_of(api, tids["same"]))
    assert "unchanged" not in log_of(api, tids["news"])
    api.reach(tids["same"], "finished")
    add_paused(api, "later.bin")
    wait_for_rows(page, 3)      # and with it whatever happened before
    origin.put("/news.bin", DATA[::-1], etag='"2"')
    page.click("#select-all")
    choose(page, "Refresh", "#acts")
    until(lambda: (folder / "news.bin").read_bytes() == DATA[::-1])
    until(lambda: log_of(api, tids["same"]).count("unchanged") == 2)
    page.until("document.querySelectorAll('tbody [data-state=finished]').length === 2")
    assert seen(page, ".toast.bad") == []


def log_of(api, tid):
    return "\n".join(entry["msg"] for entry in api.status(tid)["log"])
