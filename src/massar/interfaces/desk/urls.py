"""The pages of agents. Each address is in the table of tests/support/desk_routes.py, with who may open it."""

from django.urls import path

from massar.interfaces.desk import campaigns, cases, classes, figures, home, people, season, sites, slips

urlpatterns = [
    path("desk/", home.home, name="desk"),
    path("desk/prove/", home.prove, name="desk_prove"),
    path("desk/campaigns/", campaigns.campaigns, name="desk_campaigns"),
    path("desk/campaigns/new/", campaigns.new, name="desk_campaign_new"),
    path("desk/campaigns/<int:campaign_id>/", campaigns.campaign, name="desk_campaign"),
    path("desk/campaigns/<int:campaign_id>/<slug:act>/", campaigns.act, name="desk_campaign_act"),
    path("desk/figures/", figures.figures, name="desk_figures"),
    path("desk/figures/<slug:kind>/", figures.export, name="desk_figures_export"),
    path("desk/sites/", sites.index, name="desk_sites"),
    path("desk/sites/table/", sites.table, name="desk_site_table"),
    path("desk/sites/<slug:slug>/try/", sites.trial, name="desk_site_trial"),
    path("desk/season/", season.season, name="desk_season"),
    path("desk/people/", people.people, name="desk_people"),
    path("desk/people/found/<str:token>/", people.found, name="desk_found"),
    path("desk/people/<str:token>/", people.person, name="desk_person"),
    path("desk/people/<str:token>/contacts/<int:contact_id>/", people.show_contact, name="desk_contact"),
    path("desk/people/<str:token>/recovery/", people.recover, name="desk_recover"),
    path("desk/cases/", cases.cases, name="desk_cases"),
    path("desk/cases/<str:number>/", cases.case, name="desk_case"),
    path("desk/cases/<str:number>/propose/", cases.propose, name="desk_case_propose"),
    path("desk/cases/<str:number>/confirm/", cases.confirm, name="desk_case_confirm"),
    path("desk/cases/<str:number>/decline/", cases.decline, name="desk_case_decline"),
    path("desk/cases/<str:number>/receipt/", cases.receipt, name="desk_case_receipt"),
    path("desk/people/<str:token>/factors-lost/", cases.lost, name="desk_loss"),
    path("desk/people/<str:token>/slip/", slips.one, name="desk_slip"),
    path("desk/people/<str:token>/class-code/", classes.code, name="desk_code"),
    path("desk/slips/", slips.choose, name="desk_slips"),
    path("desk/slips/<int:unit_id>/", slips.unit, name="desk_slips_unit"),
    path("desk/slips/batch/<int:batch_id>/", slips.batch, name="desk_slip_batch"),
    path("desk/classes/", classes.classes, name="desk_classes"),
    path("desk/classes/<int:unit_id>/", classes.one_class, name="desk_class"),
    path("desk/classes/<int:unit_id>/sheet/", classes.sheet, name="desk_class_sheet"),
]
