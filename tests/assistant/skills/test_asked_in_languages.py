"""What people ask most, asked in the language of the paper."""

import pytest

from assistant.skills.router import say, skills, understand, wordings
from assistant.text.page import Page
from assistant.text.words import bare_words
from tests.assistant.skills.talking import Talk
from tests.assistant.text.pages import page

RECEIPTS = {
    "de": page(
        "Bäckerei Huber", "Lindenweg 5, 80331 München", "Vollmilch      1,19", "Brot      2,49",
        "Butter      2,29", "Summe      5,97 EUR", "Bar      10,00", "Rückgeld      4,03",
        "Datum: 15.12.2026",
    ),
    "fr": page(
        "Boulangerie Dupont", "12 rue du Four, 75006 Paris", "Baguette      1,20",
        "Croissant      2,40", "Tarte      8,90", "Total TTC      12,50 EUR", "Espèces      20,00",
        "Rendu      7,50", "Date : 03/03/2026",
    ),
    "es": page(
        "Panadería López", "Calle Mayor 4, 28013 Madrid", "Leche      1,10", "Pan      0,95",
        "Queso      6,40", "Total      8,45 EUR", "Efectivo      10,00", "Cambio      1,55",
        "Fecha: 14/05/2026",
    ),
    "it": page(
        "Panificio Rossi", "Via Roma 8, 20121 Milano", "Latte      1,30", "Pane      2,10",
        "Formaggio      7,80", "Totale      11,20 EUR", "Contanti      20,00", "Resto      8,80",
        "Data: 14/05/2026",
    ),
    "nl": page(
        "Bakkerij Jansen", "Dorpsstraat 3, 1012 AB Amsterdam", "Melk      1,15", "Brood      2,35",
        "Kaas      6,90", "Totaal      10,40 EUR", "Contant      20,00", "Wisselgeld      9,60",
        "Datum: 14-05-2026",
    ),
    "pt": page(
        "Padaria Silva", "Rua Nova 7, 1100 Lisboa", "Leite      0,95", "Broa      1,80",
        "Queijo      5,60", "Total      8,35 EUR", "Dinheiro      10,00", "Troco      1,65",
        "Data: 14/05/2026",
    ),
}  # fmt: skip
LETTERS = {
    "de": page(
        "Stadtwerke München GmbH", "Frau Erika Müller", "Lindenweg 5", "80331 München",
        "München, den 3. November 2026", "Ihre Jahresrechnung", "Sehr geehrte Frau Müller,",
        "bitte zahlen Sie 128,40 € bis spätestens 15.12.2026 auf unser Konto.",
        "Mit freundlichen Grüßen", "Karin Vogel",
    ),
    "fr": page(
        "Mairie de Lyon", "Madame Claire Petit", "5 rue Pasteur", "69001 Lyon",
        "Lyon, le 3 novembre 2026", "Votre carte de bibliothèque", "Chère Madame Petit,",
        "votre carte est prête et vous attend à la bibliothèque jusqu'au 15 décembre 2026.",
        "Cordialement,", "Paul Girard",
    ),
    "es": page(
        "Ayuntamiento de Cádiz", "Sra. Ana Torres", "Calle Sol 2", "11001 Cádiz",
        "Cádiz, 3 de noviembre de 2026", "Corte de agua", "Estimada Sra. Torres:",
        "el martes 15 de diciembre no habrá agua en su calle entre las nueve y las doce.",
        "Atentamente,", "Luis Ramos",
    ),
    "it": page(
        "Comune di Siena", "Sig.ra Anna Conti", "Via Dante 3", "53100 Siena",
        "Siena, 3 novembre 2026", "Raccolta dei rifiuti", "Gentile Signora Conti,",
        "dal 15 dicembre i rifiuti saranno ritirati il martedì e il venerdì mattina.",
        "Cordiali saluti,", "Marco Bruni",
    ),
    "nl": page(
        "Gemeente Utrecht", "Mevrouw Els de Boer", "Kerkstraat 9", "3511 Utrecht",
        "Utrecht, 3 november 2026", "Uw parkeervergunning", "Geachte mevrouw De Boer,",
        "uw vergunning verloopt op 15 december en u kunt haar bij ons verlengen.",
        "Met vriendelijke groet,", "Jan Smit",
    ),
    "pt": page(
        "Câmara de Braga", "Sra. Rita Costa", "Rua Verde 6", "4700 Braga",
        "Braga, 3 de novembro de 2026", "Obras no bairro", "Cara Sra. Costa,",
        "a partir de 15 de dezembro a sua rua estará fechada ao trânsito durante a noite.",
        "Com os melhores cumprimentos,", "Rui Melo",
    ),
}  # fmt: skip

ABOUT_RECEIPTS = [
    ("de", "Wie viel habe ich bezahlt?", "5,97"),
    ("de", "Was hat das gekostet?", "5,97"),
    ("de", "Welcher Laden war das?", "Bäckerei Huber"),
    ("de", "Wo habe ich das gekauft?", "Bäckerei Huber"),
    ("de", "Was habe ich gekauft?", "Butter"),
    ("de", "Was war am teuersten?", "Brot"),
    ("de", "Was ist das Billigste?", "Vollmilch"),
    ("de", "Welcher Artikel war am günstigsten?", "Vollmilch"),
    ("de", "Wie viel Wechselgeld gab es?", "4,03"),
    ("fr", "Combien de monnaie m'a-t-on rendu ?", "7,50"),
    ("it", "Quanto resto ho avuto?", "8,80"),
    ("nl", "Hoeveel wisselgeld kreeg ik?", "9,60"),
    ("nl", "In welke winkel was ik?", "Bakkerij Jansen"),
    ("pt", "Quanto recebi de troco?", "1,65"),
    ("de", "Wie habe ich bezahlt?", "10,00"),
    ("de", "Von wann ist das?", "15.12.2026"),
    ("fr", "Combien ai-je payé ?", "12,50"),
    ("fr", "Ça a coûté combien ?", "12,50"),
    ("fr", "C'est quel magasin ?", "Boulangerie Dupont"),
    ("fr", "Où est-ce que j'ai acheté ça ?", "Boulangerie Dupont"),
    ("fr", "Qu'est-ce que j'ai acheté ?", "Croissant"),
    ("fr", "Quel est l'article le plus cher ?", "Tarte"),
    ("fr", "Quel est le moins cher ?", "Baguette"),
    ("fr", "Comment ai-je payé ?", "20,00"),
    ("fr", "De quand date ce ticket ?", "03/03/2026"),
    ("es", "¿Cuánto he pagado?", "8,45"),
    ("es", "¿Cuánto costó todo?", "8,45"),
    ("es", "¿Qué tienda es?", "Panadería López"),
    ("es", "¿Dónde compré esto?", "Panadería López"),
    ("es", "¿Qué compré?", "Queso"),
    ("es", "¿Qué fue lo más caro?", "Queso"),
    ("es", "¿Cuál es lo más barato?", "Pan"),
    ("es", "¿Cómo pagué?", "10,00"),
    ("es", "¿De qué fecha es?", "14/05/2026"),
    ("it", "Quanto ho pagato?", "11,20"),
    ("it", "Quanto è costato tutto?", "11,20"),
    ("it", "Che negozio è?", "Panificio Rossi"),
    ("it", "Dove l'ho comprato?", "Panificio Rossi"),
    ("it", "Cosa ho comprato?", "Formaggio"),
    ("it", "Qual è la cosa più cara?", "Formaggio"),
    ("it", "Qual è la cosa meno cara?", "Latte"),
    ("it", "Come ho pagato?", "20,00"),
    ("it", "Di quando è?", "14/05/2026"),
    ("nl", "Hoeveel heb ik betaald?", "10,40"),
    ("nl", "Wat kostte alles?", "10,40"),
    ("nl", "Welke winkel is dit?", "Bakkerij Jansen"),
    ("nl", "Waar heb ik dit gekocht?", "Bakkerij Jansen"),
    ("nl", "Wat heb ik gekocht?", "Kaas"),
    ("nl", "Wat was het duurste?", "Kaas"),
    ("nl", "Wat is het goedkoopste?", "Melk"),
    ("nl", "Hoe heb ik betaald?", "20,00"),
    ("nl", "Van wanneer is dit?", "14-05-2026"),
    ("pt", "Quanto paguei?", "8,35"),
    ("pt", "Quanto custou tudo?", "8,35"),
    ("pt", "Que loja é esta?", "Padaria Silva"),
    ("pt", "Onde comprei isto?", "Padaria Silva"),
    ("pt", "O que comprei?", "Queijo"),
    ("pt", "Qual foi o mais caro?", "Queijo"),
    ("pt", "Qual é o mais barato?", "Leite"),
    ("pt", "Como paguei?", "10,00"),
    ("pt", "De quando é isto?", "14/05/2026"),
]
ABOUT_LETTERS = [
    ("de", "Von wem ist der Brief?", "Stadtwerke"),
    ("de", "An wen ist der Brief?", "Erika Müller"),
    ("de", "Worum geht es in dem Brief?", "Jahresrechnung"),
    ("de", "Was wollen sie von mir?", "Jahresrechnung"),
    ("de", "Wer hat unterschrieben?", "Karin Vogel"),
    ("fr", "De qui est cette lettre ?", "Mairie de Lyon"),
    ("fr", "À qui est adressée la lettre ?", "Claire Petit"),
    ("fr", "De quoi s'agit-il ?", "carte de bibliothèque"),
    ("fr", "Qui a signé ?", "Paul Girard"),
    ("es", "¿De quién es la carta?", "Ayuntamiento"),
    ("es", "¿Para quién es la carta?", "Ana Torres"),
    ("es", "¿De qué se trata?", "Corte de agua"),
    ("es", "¿Quién firma?", "Luis Ramos"),
    ("it", "Di chi è la lettera?", "Comune di Siena"),
    ("it", "A chi è indirizzata?", "Conti"),
    ("it", "Di cosa si tratta?", "Raccolta"),
    ("it", "Chi ha firmato?", "Marco Bruni"),
    ("nl", "Van wie is de brief?", "Gemeente Utrecht"),
    ("nl", "Aan wie is de brief?", "De Boer"),
    ("nl", "Waar gaat het over?", "parkeervergunning"),
    ("nl", "Wie heeft getekend?", "Jan Smit"),
    ("pt", "De quem é a carta?", "Câmara de Braga"),
    ("pt", "Para quem é a carta?", "Rita Costa"),
    ("pt", "De que se trata?", "Obras"),
    ("pt", "Quem assinou?", "Rui Melo"),
]
CASES = [
    *((RECEIPTS[language], question, wanted) for language, question, wanted in ABOUT_RECEIPTS),
    *((LETTERS[language], question, wanted) for language, question, wanted in ABOUT_LETTERS),
]


@pytest.mark.parametrize(("paper", "question", "wanted"), CASES, ids=[case[1] for case in CASES])
def test_it_is_answered_from_the_paper(paper: Page, question: str, wanted: str) -> None:
    assert wanted in say(Talk(paper).ask(question))


@pytest.mark.parametrize(
    "question",
    [
        *("Lies mir das vor.", "Was steht da?", "Lis-moi la lettre.", "Qu'est-ce qui est écrit ?"),
        *("Léeme la carta.", "¿Qué dice?", "Leggimi la lettera.", "Cosa c'è scritto?"),
        *("Lees de brief voor.", "Wat staat er?", "Lê-me a carta.", "O que está escrito?"),
    ],
)
def test_a_text_is_read_in_every_language(question: str) -> None:
    assert understand(question).skill == "read"


@pytest.mark.parametrize(
    "question",
    [
        *("is my resume in there", "who is Lee", "how many lire is it", "where is the bar"),
        *("what is the date of the letter", "read the last line", "is the total right"),
    ],
)
def test_english_is_taken_for_no_other_language(question: str) -> None:
    words = bare_words(question)
    elsewhere = (skill.name for skill in skills() if wordings(skill.name)[-1:] != ())
    found = [
        name
        for name in elsewhere
        if wordings(name)[-1].plain and wordings(name)[-1].is_part(words) is not None
    ]
    assert found in ([], ["total"])  # a word that English shares


@pytest.mark.parametrize(
    ("question", "skill"),
    [
        ("Wie viel habe ich für das Brot bezahlt?", "total"),
        ("Was kostet das Brot?", "total"),
        ("Combien coûte le pain ?", "total"),
        ("¿Cuánto cuesta el pan?", "total"),
        ("Wo finde ich den Absender?", "bought"),
        ("where did he read about the sum", "letterhead"),
    ],
)
def test_the_price_of_one_thing_is_no_total(question: str, skill: str) -> None:
    assert understand(question).skill != skill
