// Adding a spend: once a campaign is chosen, say in which money the amount is, and which day it is for its brand.
document.addEventListener("DOMContentLoaded", () => {
    const campaign = document.getElementById("id_campaign");
    if (!campaign || !window.django?.jQuery) {
        return;
    }
    const tell = (what, text) => {
        const place = document.querySelector(`[data-told="${what}"]`);
        if (place) {
            place.textContent = text;
        }
    };
    window.django.jQuery(campaign).on("select2:select", (event) => {
        const { currency, today } = event.params.data;
        if (currency && today) {
            tell("currency", `In ${currency}.`);
            tell("today", `Empty: today by the brand's clock, ${today}.`);
        }
    });
});
