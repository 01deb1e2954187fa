// The import page: dropping a file, sending a form once, and saying when progress was last looked at.
(() => {
    const megabytes = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1048576).toFixed(1)} MB`);

    // --- The file

    const describe = (drop, input) => {
        const chosen = drop.querySelector("[data-chosen]");
        const file = input.files[0];
        if (!file) {
            chosen.textContent = "";
            return;
        }
        const limit = Number(input.dataset.maxBytes);
        let text = `${file.name}, ${megabytes(file.size)}`;
        if (file.size > limit) {
            text += `. That is more than ${megabytes(limit)}: split it, or send it packed as zip.`;
        } else if (/\.xls[xmb]?$/i.test(file.name)) {
            text += ". This looks like an Excel workbook: save it as CSV and choose that.";
        } else if (/\.pdf$/i.test(file.name)) {
            text += ". This is a PDF: export the report as CSV and choose that.";
        }
        chosen.textContent = text;
    };

    document.querySelectorAll("[data-drop]").forEach((drop) => {
        const input = drop.querySelector("input[type=file]");
        drop.classList.add("budget-drop-ready");
        input.addEventListener("change", () => describe(drop, input));
        // Anywhere on the page: a file that misses the box must not replace the page by itself.
        ["dragenter", "dragover"].forEach((name) =>
            document.addEventListener(name, (event) => {
                event.preventDefault();
                drop.classList.add("budget-drop-over");
            }),
        );
        document.addEventListener("dragleave", (event) => {
            if (!event.relatedTarget) {
                drop.classList.remove("budget-drop-over");
            }
        });
        document.addEventListener("drop", (event) => {
            event.preventDefault();
            drop.classList.remove("budget-drop-over");
            if (event.dataTransfer.files.length) {
                input.files = event.dataTransfer.files;
                describe(drop, input);
            }
        });
        describe(drop, input);
    });

    // --- Once

    document.querySelectorAll("form[data-once]").forEach((form) =>
        form.addEventListener("submit", () => {
            const button = form.querySelector("button[type=submit]");
            button.setAttribute("aria-busy", "true");
            // After the browser has taken the form along.
            setTimeout(() => {
                button.disabled = true;
                button.textContent = "Please wait…";
            });
        }),
    );
    // Coming back by the browser's button, the page is as it was left.
    window.addEventListener("pageshow", (event) => event.persisted && window.location.reload());

    // --- Progress

    const time = () => new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    document.addEventListener("htmx:afterRequest", (event) => {
        const status = document.getElementById("import-checked");
        if (event.target.id !== "import-progress" || !status) {
            return;
        }
        status.textContent = event.detail.successful
            ? `Looked at ${time()}.`
            : `Could not look again at ${time()}. If you were logged out, reload the page.`;
    });
})();
