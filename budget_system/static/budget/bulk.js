// The page of a large bulk act goes on by itself; without JavaScript its button does.
document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("bulk-go-on");
    if (form) {
        form.submit();
    }
});
