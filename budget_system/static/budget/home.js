// Says when the overview last looked, and when it could not.
(() => {
    const status = () => document.getElementById("today-checked");
    const time = () => new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    let lastChecked = "this page was opened";

    document.addEventListener("htmx:afterRequest", (event) => {
        if (event.target.id !== "today" || !status()) {
            return;
        }
        if (event.detail.successful) {
            lastChecked = time();
            status().textContent = `Looked at ${lastChecked}. Looks again every half minute.`;
        } else {
            status().textContent = `Could not look again at ${time()}: what is shown is as of ${lastChecked}. ` +
                "If you were logged out, reload the page.";
        }
    });
})();
