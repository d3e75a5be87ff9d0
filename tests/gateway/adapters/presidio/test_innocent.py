"""What an answer is about stays: scholars, rulers, heroes, code and sources; the student beside them goes."""

import pytest

from tests.gateway.adapters.presidio.conftest import Find


@pytest.mark.parametrize(
    "text",
    [
        "Никита Хрущёв разоблачил культ личности, а Брежнев его сменил.",
        "Мандельштам и Пастернак принадлежат Серебряному веку.",
        "По Выготскому, обучение идёт впереди развития; Пиаже с этим спорил.",
        "Махатма Ганди добился независимости Индии.",
        "Теория Кейнса противоречит взглядам Хайека и Фридриха Энгельса.",
        "Чехов и Станиславский создавали новый театр.",
        "Клод Моне и Огюст Ренуар писали на пленэре.",
        "Галилео Галилей отстаивал учение Коперника.",
        "Ярослав Мудрый и Юрий Долгорукий правили на Руси.",
        "Лавуазье опроверг теорию флогистона, а Дальтон ввёл атомные массы.",
        "Стивен Хокинг и Роджер Пенроуз изучали чёрные дыры.",
        "Гарри Трумэн приказал сбросить бомбу.",
        "Швабрин доносит на Гринёва, а Маша Миронова едет к императрице.",
        "Печорин дружит с Грушницким и ухаживает за Мери.",
        "Чичиков торгуется с Собакевичем и Плюшкиным.",
        "Герасим из повести «Муму» служил у барыни.",
        "Mikhail Gorbachev met Ronald Reagan in Reykjavik.",
        "Keynes and Hayek disagreed about recessions.",
        "Piaget observed children, while Vygotsky stressed language.",
        "Rosalind Franklin took the photograph that Crick saw.",
        "Darwin and Alfred Wallace published together.",
        "Frida Kahlo painted herself; Diego Rivera painted walls.",
        "Simone de Beauvoir and Sartre were existentialists.",
        "Schrödinger and Heisenberg received the prize in different years.",
        "Harriet Tubman and Frederick Douglass fought slavery.",
        "Frodo and Gandalf leave the Shire in the first part.",
        "Tolkien, Orwell and Huxley wrote about power.",
        "Alan Turing and Grace Hopper shaped computing.",
        "The program prints Hello World.",
        'cities = ["Tokyo", "Paris", "Prague"]',
        "See DOI 10.1145/3292500 and ISBN 978-0-13-468599-1.",
        "Firefox 115 and Chrome 120 were tested.",
    ],
)
def test_what_an_answer_is_about_stays(found: Find, text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "student"),
    [
        ("Анна Павлова рассказала об опытах Сеченова.", "Анна Павлова"),
        ("Реферат о Менделееве написала Мария Вавилова.", "Мария Вавилова"),
        ("Дмитрий Орлов сравнил Онегина и Печорина.", "Дмитрий Орлов"),
        ("Кирилл Жуков пересказал реформы Столыпина.", "Кирилл Жуков"),
        ("Платон Кузнецов прочёл о Сократе.", "Платон Кузнецов"),
        ("Рафаэль Гарипов выбрал картины Рембрандта.", "Рафаэль Гарипов"),
        ("Михаил Быков разобрал поэму Твардовского.", "Михаил Быков"),
        ("Emma Watson explained the helix of Crick.", "Emma Watson"),
        ("Kevin Franklin compared Locke with Rousseau.", "Kevin Franklin"),
        ("My name is Daniel Wallace and I write about Darwin.", "Daniel Wallace"),
        ("Peter Morgan retold the theory of Keynes.", "Peter Morgan"),
    ],
)
def test_only_the_student_beside_a_famous_name_goes(found: Find, text: str, student: str) -> None:
    assert found(text) == [("PERSON", student)]


@pytest.mark.parametrize(
    "text",
    ["Mr Okonkwo gave us an extension.", "Homer Jenkins, group 3", "Гальперин и Свиридова сдали работу."],
)
def test_a_hero_or_a_scholar_by_the_surname_alone_is_a_person_at_hand(found: Find, text: str) -> None:
    assert {kind for kind, _ in found(text)} == {"PERSON"}
