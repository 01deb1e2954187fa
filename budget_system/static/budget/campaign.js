// A campaign's page: what is left of an override, counted down; and the answer to “What if?” without leaving the page.

import { weekText } from "./week_rows.js";

// --- Countdown -------------------------------------------------------------------------------------------------------

const loaded = performance.now();

/** “in 3 h 12 min”, as budget_system.admin.campaign_page.countdown_text says it. */
function leftText(seconds) {
    if (seconds <= 0) {
        return "now; the next check, within a minute, writes it down";
    }
    const minutes = Math.floor(seconds / 60);
    const hours = Math.floor(minutes / 60);
    const days = Math.floor(hours / 24);
    if (days) {
        return `in ${days} d ${hours % 24} h`;
    }
    if (hours) {
        return `in ${hours} h ${minutes % 60} min`;
    }
    return minutes ? `in ${minutes} min` : `in ${seconds} s`;
}

function countDown() {
    const elapsed = Math.round((performance.now() - loaded) / 1000);
    for (const time of document.querySelectorAll("time[data-ends]")) {
        const text = leftText(Number(time.dataset.ends) - elapsed);
        if (time.textContent !== text) {
            time.textContent = text;
        }
    }
}

if (document.querySelector("time[data-ends]")) {
    window.setInterval(countDown, 1000);
}

// --- What if ---------------------------------------------------------------------------------------------------------

const URL_LIMIT = 3500; // servers refuse longer addresses

/** The week as it is painted and not saved yet becomes a choice of the form. */
function offerPainted(form, grid) {
    const choice = form.querySelector('[name="if-week"]');
    const painted = form.querySelector('[name="if-painted"]');
    if (!choice || !painted || !grid) {
        return;
    }
    const option = document.createElement("option");
    option.value = "painted";
    option.textContent = "As painted above";
    const refresh = () => {
        const text = weekText(grid.rows);
        painted.value = text;
        if (text && text !== grid.saved) {
            choice.append(option);
        } else {
            option.remove();
        }
    };
    form.addEventListener("focusin", refresh);
    form.addEventListener("pointerdown", refresh);
    refresh();
}

async function ask(event) {
    const form = event.target;
    const address = `${form.action}?${new URLSearchParams(new FormData(form))}`;
    const place = form.querySelector("[data-answer]");
    event.preventDefault();
    if (address.length > URL_LIMIT) {
        place.textContent = "The painted week has too many windows to ask about. Save it, or make it simpler.";
        return;
    }
    place.setAttribute("aria-busy", "true");
    try {
        const response = await fetch(address, { headers: { "X-Requested-With": "fetch" } });
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        const answer = page.querySelector("[data-what-if]");
        if (!response.ok || !answer) {
            throw new Error(response.statusText);
        }
        const found = answer.querySelector("[data-what-if-answer]");
        if (!found) {
            window.location.assign(address); // something was typed that cannot be meant: the page says what
            return;
        }
        place.replaceChildren(found);
    } catch {
        place.textContent = "No answer came. If you were logged out, reload the page; else try again.";
    } finally {
        place.removeAttribute("aria-busy");
    }
}

for (const form of document.querySelectorAll("[data-what-if][data-here]")) {
    const section = document.querySelector(".week[data-week]");
    window.addEventListener("load", () => offerPainted(form, section?.grid));
    form.addEventListener("submit", ask);
}
